# SPDX-License-Identifier: Apache-2.0
"""Check that speech and transcripts fit the ASR model, once their lengths are known."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from espnet_cbpc.data.kaldi.ctc_fit import check_ctc_fit
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.utils.cli import UserError, listed


def check_collected(stats: Path, text_name: str, model: torch.nn.Module) -> None:
    """Compare the lengths that ``--collect_stats`` has found.

    Args:
        stats: its folder, with ``train/{speech_shape,<text_name>_shape}`` and ``valid`` likewise.
        text_name: of the transcripts; where they are not collected, there is nothing to compare.
        model: an ASR model, or a joint one.

    Raises:
        UserError: no transcript of a set fits, or speech is longer than the window of the encoder.
    """
    asr_model = getattr(model, "s2t_model", model)
    for split in ("train", "valid"):
        _check_window(stats / split / "speech_shape", model, asr_model)
    if asr_model.ctc is None:
        return
    for split in ("train", "valid"):
        text = stats / split / f"{text_name}_shape"
        if not text.is_file():
            continue
        samples = _lengths(stats / split / "speech_shape")
        # repeated tokens, which need a blank between them, are not looked at: their number will do
        tokens = {utterance: range(count) for utterance, count in _lengths(text).items()}
        check_ctc_fit(tokens, encoder_frames(model, asr_model, samples), str(stats / split))


def _lengths(shape_file: Path) -> dict[str, int]:
    return {u: int(shape.split(",")[0]) for u, shape in read_table(shape_file).items()}


def _check_window(shape_file: Path, model: torch.nn.Module, asr_model: torch.nn.Module) -> None:
    """Compare lengths with the window of an encoder of fixed positions, such as Whisper's 30 s."""
    window = getattr(asr_model.encoder, "pad_samples", None)
    if window is None:
        return
    if getattr(model, "asr_fs", None):
        window = window * model.enh_fs // model.asr_fs
    lengths = _lengths(shape_file)
    longer = sorted(u for u, count in lengths.items() if count > window)
    if longer:
        raise UserError(
            f"{shape_file}: {len(longer)} of {len(lengths)} utterances are longer than the window "
            f"of {type(asr_model.encoder).__name__}, {window} samples ({listed(longer)}): leave "
            "them out (--max_wav_duration 30), or cut them"
        )


@torch.no_grad()
def encoder_frames(
    model: torch.nn.Module, asr_model: torch.nn.Module, samples: Mapping[str, int]
) -> dict[str, int]:
    """Return how many frames the encoder makes of each utterance, or one more.

    Sub-sampling is linear in the length but for rounding, so that the shortest and the longest
    utterance tell of the others. Those that the model refuses as too short have none.
    """
    asr_model.eval()
    shortest, longest = min(samples.values()), max(samples.values())
    low, high = (_frames_of(model, asr_model, count) for count in (shortest, longest))
    slope = (high - low) / max(1, longest - shortest)
    return {u: math.ceil(low + slope * (n - shortest)) for u, n in samples.items()}


def _frames_of(model: torch.nn.Module, asr_model: torch.nn.Module, count: int) -> int:
    speech, lengths = torch.zeros(1, count), torch.tensor([count])
    if hasattr(model, "at_asr_rate"):
        speech, lengths = model.at_asr_rate(speech, lengths)
    try:
        return int(asr_model.encode(speech, lengths)[1][0])
    except Exception:  # ESPnet raises many kinds for utterances that are too short
        return 0
