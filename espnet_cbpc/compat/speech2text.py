# SPDX-License-Identifier: Apache-2.0
"""ESPnet's ``Speech2Text``, with every parameter verified to be loaded, and its search."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional

import torch
from espnet2.bin.asr_inference import Speech2Text

from espnet_cbpc.compat.fast_search import speed_up
from espnet_cbpc.compat.legacy import BatchBeamSearch
from espnet_cbpc.compat.owsm import ask, is_owsm, support_owsm
from espnet_cbpc.compat.releases import espnet_release, has_ctc_window
from espnet_cbpc.compat.transducer import support_transducers
from espnet_cbpc.compat.weights import load_weights, read_weights, select_weights
from espnet_cbpc.compat.whisper import support_whisper
from espnet_cbpc.compat.wpe import support_doubled_channels
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike

PROVEN_ON = ("202511", "202611")

Pair = tuple[PathLike, PathLike]  # a model's configuration and its parameters
PARTS = {True: ("enh_model", "s2t_model"), False: ("",)}  # of a joint model, of an ASR model


def build_speech2text(
    model: Pair,
    weights: Mapping[str, torch.Tensor],
    lm: Optional[Pair],
    device: str,
    joint: bool,
    options: Mapping[str, Any],
) -> Speech2Text:
    """Build ESPnet's ``Speech2Text``, with parameters of any release.

    Args:
        model: files of an ASR model, or of a joint one.
        weights: what the latter holds.
        lm: files of a language model.
        device: a torch device name.
        joint: whether ``model`` is a joint one.
        options: of the search, as ``Speech2Text`` names them.

    Raises:
        UserError: files that do not go together or leave parameters unset, or an option that the
            release of ESPnet does not have.
    """
    lm_config, lm_file = map(str, lm) if lm else (None, None)
    support_transducers()
    support_whisper()
    support_owsm()
    support_doubled_channels()
    with _naming(model, lm):
        speech2text = Speech2Text(
            *map(str, model),
            lm_train_config=lm_config,
            lm_file=lm_file,
            device=device,
            enh_s2t_task=joint,
            **_known_options(options),
        )
    for part in PARTS[joint]:
        module = getattr(speech2text.asr_model, part) if part else speech2text.asr_model
        load_weights(module, select_weights(weights, part), model[1])
    asr_model = speech2text.asr_model.s2t_model if joint else speech2text.asr_model
    if is_owsm(asr_model):
        ask(speech2text, asr_model)
    if lm:
        search = speech2text.beam_search
        scorer = search.scorers["lm"] if search else speech2text.beam_search_transducer.lm
        load_weights(scorer, select_weights(read_weights(lm[1]), "lm"), lm[1])
    return speech2text


def _known_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the window of CTC scores where the release has none: it is 0 there."""
    if has_ctc_window():
        return dict(options)
    if options["ctc_window_margin"]:
        raise UserError(
            f"ctc_window_margin is {options['ctc_window_margin']}: ESPnet {espnet_release()} has no "
            "windowed CTC scores: set it to 0, or use ESPnet 202611 or later"
        )
    return {name: value for name, value in options.items() if name != "ctc_window_margin"}


@contextmanager
def _naming(*pairs: Optional[Pair]) -> Iterator[None]:
    """Say which files it was that ESPnet could not build a model from."""
    try:
        yield
    except UserError:
        raise
    except Exception as e:  # as many kinds as a configuration has ways to be wrong
        files = " and ".join(f"{config} with {model}" for config, model in filter(None, pairs))
        raise UserError(f"{files}: no model of this kind can be built from them: {e!r}") from e


class Search:
    """The search of a ``Speech2Text``.

    Args:
        speech2text: changed in place: its repeated work is left out.
        batched: search for several utterances at once where ESPnet can (from 202611 on, with an
            attention decoder or CTC only). That is faster on a GPU; on a CPU it is slower than one
            after the other without the repeated work. The hypotheses are the same.
    """

    def __init__(self, speech2text: Speech2Text, batched: bool):
        self.speech2text = speech2text
        self.batched = batched and _searches_batches(speech2text.beam_search)
        if not self.batched:
            speed_up(speech2text.beam_search)

    def __call__(self, encoded: Sequence[torch.Tensor]) -> list[list[tuple]]:
        """Search.

        Args:
            encoded: (T, D) encoder output of each utterance.

        Returns:
            For each utterance ESPnet's n-best list of (text, tokens, token ids, hypothesis).
        """
        if not self.batched:
            return [self.speech2text._decode_single_sample(frames) for frames in encoded]
        hypotheses = self.speech2text.beam_search(
            x=torch.nn.utils.rnn.pad_sequence(list(encoded), batch_first=True),  # (B, T, D)
            x_lengths=torch.tensor([len(frames) for frames in encoded]),
            maxlenratio=self.speech2text.maxlenratio,
            minlenratio=self.speech2text.minlenratio,
        )
        return [self.speech2text._hyps_to_results(nbest) for nbest in hypotheses]


def _searches_batches(beam_search: Any) -> bool:
    parameters = inspect.signature(BatchBeamSearch.forward).parameters
    return type(beam_search) is BatchBeamSearch and "x_lengths" in parameters
