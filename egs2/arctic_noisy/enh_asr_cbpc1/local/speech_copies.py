# SPDX-License-Identifier: Apache-2.0
"""Copies of the speech that is used: one channel, one rate, no long pauses at the ends."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from arctic_corpora import Source

from espnet_cbpc.data.audio.audio_file import (
    SILENT,
    AudioError,
    audio_blocks,
    read_header,
    write_audio,
)
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.mixing.snr import speech_active

MARGIN_SECONDS = 0.1  # of a pause that stays


def write_speech(folder: Path, sources: Sequence[Source], fs: int, nj: int) -> None:
    """Write all recordings into a folder, which is written atomically.

    Levels are left unchanged, but for what would clip. The mean of several channels is taken.

    Args:
        folder: where to write to.
        sources: the recordings.
        fs: sampling rate to write, in Hz.
        nj: processes.

    Raises:
        UserError: recordings that are unreadable, silent or of a lower rate.
    """
    with whole_directory(folder, is_data_directory=False) as temporary:
        named = ((source.recording.id, source) for source in sources)
        work = partial(_copy, folder=temporary, fs=fs)
        map_audio(work, named, len(sources), nj, "copy speech", folder, "recording(s)")


def _copy(source: Source, folder: Path, fs: int) -> None:
    _, rate = read_header(source.path)
    if rate < fs:
        raise AudioError(f"{rate} Hz is less than {fs} Hz: restore the original", str(source.path))
    samples = np.concatenate(list(audio_blocks(source.path, fs)))
    if not samples.any():
        raise AudioError(SILENT, str(source.path))
    if source.has_pauses:
        samples = without_pauses(samples, fs)
    loudest = max(1.0, float(np.abs(samples).max()))  # resampling may overshoot
    write_audio(folder / source.recording.file, samples / loudest, fs)


def without_pauses(samples: np.ndarray, fs: int) -> np.ndarray:
    """Return (samples,) of a recording without the pauses at its ends, but for 0.1 s of each."""
    active = np.flatnonzero(speech_active(samples, fs))
    margin = round(MARGIN_SECONDS * fs)
    return samples[max(0, active[0] - margin) : active[-1] + 1 + margin]
