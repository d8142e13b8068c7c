"""Where a noise file sounds: recordings are often padded with digital silence to one length."""

from pathlib import Path
from typing import NamedTuple, Tuple

from espnet_cbpc.data.audio import AudioError, read_audio
from espnet_cbpc.data.mixing import FRAME_SECONDS
from espnet_cbpc.data.noise_folder import longest_sound

MIN_SECONDS = 0.1


class Sound(NamedTuple):
    """The longest part of a file without digital silence: at its own rate in Hz, begin and end."""

    rate: int
    begin: int
    end: int

    def part(self, share: Tuple[int, int]) -> Tuple[int, int]:
        """Return begin and end of a share, in per cent, of what sounds."""
        length = self.end - self.begin
        return tuple(self.begin + length * per_cent // 100 for per_cent in share)


def find_sound(path: Path) -> Sound:
    """Read the first channel of a noise file.

    Raises:
        AudioError: the file is faulty, silent, or sounds for less than 0.1 s.
    """
    samples, rate = read_audio(path, channel=0)
    begin, end = longest_sound(samples, max(1, int(FRAME_SECONDS * rate)))
    if end - begin < MIN_SECONDS * rate:
        raise AudioError(f"noise sounds for less than {MIN_SECONDS} s: leave it out", str(path))
    return Sound(rate, begin, end)
