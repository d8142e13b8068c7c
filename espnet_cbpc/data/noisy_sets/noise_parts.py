# SPDX-License-Identifier: Apache-2.0
"""Copies of parts of noise files whose remainder must not be used in training."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory


class NoisePart(NamedTuple):
    """A noise file, the name of the copy, and first sample and end of the part."""

    source: Path
    name: str
    part: tuple[int, int]


def write_noise_parts(folder: Path, parts: Sequence[NoisePart], fs: int, nj: int) -> None:
    """Write the parts, first channel alone, as files of a folder that replaces an earlier one.

    Args:
        folder: written atomically.
        parts: what to copy.
        fs: sampling rate of the copies in Hz.
        nj: processes.

    Raises:
        UserError: files that cannot be read.
    """
    with whole_directory(folder, is_data_directory=False) as temporary:
        named = ((part.name, part) for part in parts)
        work = partial(_copy, folder=temporary, fs=fs)
        map_audio(work, named, len(parts), nj, "training noise", folder, "file(s)")


def _copy(part: NoisePart, folder: Path, fs: int) -> None:
    samples, _ = read_audio(part.source, fs, channel=0, part=part.part)
    write_audio(folder / part.name, samples / max(1.0, float(np.abs(samples).max())), fs)
