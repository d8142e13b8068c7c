# SPDX-License-Identifier: Apache-2.0
"""A folder of noise: which files, and which part of each can be used."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_cbpc.data.audio.audio_file import AudioError, read_audio
from espnet_cbpc.data.audio.audio_folder import find_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.mixing.snr import FRAME_SECONDS
from espnet_cbpc.utils.files import PathLike

MIN_SECONDS = 0.1


class NoiseFile(NamedTuple):
    """The part of a noise file that sounds: first sample and end, at the rate of the file in Hz."""

    rate: int
    begin: int
    end: int

    def part(self, share: tuple[int, int]) -> tuple[int, int]:
        """Return begin and end of a share of it, in per cent."""
        length = self.end - self.begin
        begin, end = (self.begin + length * per_cent // 100 for per_cent in share)
        return begin, end


def read_noise_folder(folder: PathLike, nj: int = 1) -> dict[str, NoiseFile]:
    """Read and check all noise below a folder.

    Of each file the longest part without digital silence counts (recordings padded to one length
    are common), so that no speech can meet a noise of no power.

    Args:
        folder: audio in any format of libsndfile, in any sub-folders; the first channel counts.
        nj: number of processes.

    Returns:
        What can be used of each file, by path below the folder, sorted.

    Raises:
        UserError: no audio, or files that are unreadable, silent, or audible for less than 0.1 s.
    """
    files = find_audio(folder, "noise")
    items = ((file, Path(folder, file)) for file in files)
    return map_audio(sounding, items, len(files), nj, "check noise", folder, "noise file(s)")


def sounding(path: Path) -> NoiseFile:
    """Read the first channel of a noise file, and return what of it can be used.

    Raises:
        AudioError: the file is faulty, silent, or audible for less than 0.1 s.
    """
    samples, rate = read_audio(path, channel=0)
    begin, end = longest_sound(samples, max(1, int(FRAME_SECONDS * rate)))
    if end - begin < MIN_SECONDS * rate:
        raise AudioError(f"noise is audible for less than {MIN_SECONDS} s: leave it out", str(path))
    return NoiseFile(rate, begin, end)


def longest_sound(samples: np.ndarray, pause: int) -> tuple[int, int]:
    """Return first sample and end of the longest part without ``pause`` zeros in a row.

    Args:
        samples: (samples,) a signal.
        pause: number of zero samples that part it.

    Returns:
        Begin and end, both 0 if there is no sound.
    """
    places = np.flatnonzero(samples)
    if not len(places):
        return 0, 0
    cuts = np.flatnonzero(np.diff(places) > pause)
    begins = places[np.concatenate(([0], cuts + 1))]
    ends = places[np.concatenate((cuts, [len(places) - 1]))] + 1
    longest = np.argmax(ends - begins)
    return int(begins[longest]), int(ends[longest])
