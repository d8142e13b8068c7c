# SPDX-License-Identifier: Apache-2.0
"""OWSM and OWSM-CTC, models of ESPnet's S2T tasks, as models of its ASR task.

These tasks build the same parts, whose parameters have the same names; the S2T tasks
add a prompt, timestamps, and a window of fixed length.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import torch
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.asr.encoder.e_branchformer_ctc_encoder import EBranchformerCTCEncoder
from espnet2.bin.asr_inference import Speech2Text
from espnet2.bin.s2t_inference import ScoreFilter
from espnet2.s2t.espnet_ctc_model import PositionalEncoding
from espnet2.tasks import asr, enh_s2t
from espnet2.tasks.s2t_ctc import promptencoder_choices

PROVEN_ON = ("202511", "202611")


class OWSMDecoder(TransformerDecoder):
    """ESPnet's Transformer decoder, with what OWSM is asked for.

    Args:
        prompt: tokens after ``<sos>``: language, task, and that no timestamps are wanted.
        timestamps: the first and the last of them.
        window: seconds that the model was trained on.
        options: of ESPnet's class.
    """

    def __init__(
        self,
        *args: Any,
        prompt: Sequence[str],
        timestamps: Sequence[str],
        window: float,
        **options: Any,
    ):
        super().__init__(*args, **options)
        self.prompt, self.timestamps, self.window = list(prompt), list(timestamps), window


class OWSMCTCEncoder(EBranchformerCTCEncoder):
    """ESPnet's encoder of OWSM-CTC, with the prompt that its model gives it.

    The first frames of its output are those of the prefix.

    Args:
        input_size: of the features.
        prompt: see :class:`Prompt`; further ``window``, seconds that the model was trained on.
        options: of ESPnet's class.
    """

    def __init__(self, input_size: int, prompt: Mapping[str, Any], **options: Any):
        super().__init__(input_size, **options)
        prompt = dict(prompt)
        self.window = prompt.pop("window")
        self.prompt = Prompt(output_size=self.output_size(), **prompt)

    def forward(
        self,
        xs_pad: torch.Tensor,
        ilens: torch.Tensor,
        prev_states: Optional[torch.Tensor] = None,
        ctc: Optional[torch.nn.Module] = None,
    ) -> tuple:
        """Encode (B, T, F) features; see ESPnet's class."""
        prefix, memory, mask = self.prompt(len(xs_pad), xs_pad.device)
        return super().forward(
            xs_pad, ilens, ctc=ctc, prefix_embeds=prefix, memory=memory, memory_mask=mask
        )


class Prompt(torch.nn.Module):
    """The prompt of OWSM-CTC's encoder: the text before, language and task.

    The parts are those of ``ESPnetS2TCTCModel``, which holds them beside the encoder.

    Args:
        output_size: D of the encoder.
        vocabulary: number of tokens.
        kind, options: class of the prompt encoder, as the S2T task names it, and its options.
        before: tokens of the text before.
        prefix: tokens of language and task.
    """

    def __init__(
        self,
        output_size: int,
        vocabulary: int,
        kind: str,
        options: Mapping[str, Any],
        before: Sequence[int],
        prefix: Sequence[int],
    ):
        super().__init__()
        size = options["output_size"]
        make = promptencoder_choices.get_class(kind)
        self.prompt_encoder = make(input_size=size, input_layer=None, **options)
        self.embed = torch.nn.Embedding(vocabulary, size)
        self.pos_enc = PositionalEncoding(size, 0.0)
        same = size == output_size
        self.embed_proj, self.prompt_proj = (
            torch.nn.Identity() if same else torch.nn.Linear(size, output_size) for _ in range(2)
        )
        self.before, self.prefix = list(before), list(prefix)

    def forward(
        self, batch: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (B, 2, D) the prefix, (B, L, D) the text before, and its mask (B, 1, L)."""
        before, prefix = (self._rows(ids, batch, device) for ids in (self.before, self.prefix))
        lengths = torch.full((batch,), before.shape[1], device=device)
        memory, _, _ = self.prompt_encoder(self.pos_enc(self.embed(before)), lengths)
        mask = torch.ones(batch, 1, memory.shape[1], dtype=torch.bool, device=device)
        return self.embed_proj(self.embed(prefix)), self.prompt_proj(memory), mask

    @staticmethod
    def _rows(ids: list[int], batch: int, device: torch.device) -> torch.Tensor:
        return torch.tensor(ids, device=device).expand(batch, -1)


def support_owsm() -> None:
    """Let ESPnet's tasks build these parts; calling it again is harmless."""
    for encoders, decoders in (
        (asr.encoder_choices, asr.decoder_choices),
        (enh_s2t.asr_encoder_choices, enh_s2t.asr_decoder_choices),
    ):
        encoders.classes["owsm_ctc"] = OWSMCTCEncoder
        decoders.classes["owsm"] = OWSMDecoder


def is_owsm(asr_model: torch.nn.Module) -> bool:
    """Return whether a model is OWSM, with a decoder."""
    return isinstance(asr_model.decoder, OWSMDecoder)


def is_owsm_ctc(asr_model: torch.nn.Module) -> bool:
    """Return whether a model is OWSM-CTC."""
    return isinstance(asr_model.encoder, OWSMCTCEncoder)


def special_tokens(token_list: Sequence[str]) -> set[int]:
    """Return the numbers of OWSM's tokens that are no text."""
    return {i for i, t in enumerate(token_list) if t.startswith("<") and t.endswith(">")}


def ask(speech2text: Speech2Text, asr_model: torch.nn.Module) -> None:
    """Have the search of a ``Speech2Text`` begin with the prompt and give no timestamps."""
    search, token_list = speech2text.beam_search, asr_model.token_list
    prompt = [token_list.index(token) for token in asr_model.decoder.prompt]
    first, last = (token_list.index(token) for token in asr_model.decoder.timestamps)
    rules = ScoreFilter(prompt[-1], first, last, asr_model.sos, asr_model.eos, len(token_list))
    search.set_hyp_primer([asr_model.sos, *prompt])
    search.weights["scorefilter"] = 1.0
    for scorers in (search.scorers, search.full_scorers, search.nn_dict):
        scorers["scorefilter"] = rules.to(speech2text.device)
