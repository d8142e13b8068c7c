"""OWSM, an encoder-decoder of ESPnet's S2T task, as a model of its ASR task.

Both tasks build the same parts, whose parameters have the same names; what the S2T task has besides
is a prompt, timestamps, and a window of fixed length.
"""

from typing import Any, Sequence, Set

import torch
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.bin.asr_inference import Speech2Text
from espnet2.bin.s2t_inference import ScoreFilter
from espnet2.tasks import asr, enh_s2t

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


def support_owsm() -> None:
    """Let ESPnet's tasks build this decoder for ``owsm``; calling it again is harmless."""
    for decoders in (asr.decoder_choices, enh_s2t.asr_decoder_choices):
        decoders.classes["owsm"] = OWSMDecoder


def is_owsm(asr_model: torch.nn.Module) -> bool:
    """Return whether a model is OWSM."""
    return isinstance(asr_model.decoder, OWSMDecoder)


def special_tokens(token_list: Sequence[str]) -> Set[int]:
    """Return the numbers of OWSM's tokens that are no text."""
    return {i for i, t in enumerate(token_list) if t.startswith("<") and t.endswith(">")}


def ask(speech2text: Speech2Text, asr_model: torch.nn.Module) -> None:
    """Have the search of a ``Speech2Text`` begin with the prompt and give no timestamps."""
    search, token_list = speech2text.beam_search, asr_model.token_list
    prompt = [token_list.index(token) for token in asr_model.decoder.prompt]
    first, last = (token_list.index(token) for token in asr_model.decoder.timestamps)
    rules = ScoreFilter(prompt[-1], first, last, asr_model.sos, asr_model.eos, len(token_list)).to(
        speech2text.device
    )
    search.set_hyp_primer([asr_model.sos, *prompt])
    search.weights["scorefilter"] = 1.0
    for scorers in (search.scorers, search.full_scorers, search.nn_dict):
        scorers["scorefilter"] = rules
