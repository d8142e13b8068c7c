"""Where a noise file sounds: recordings are often padded with digital silence to one length."""

from pathlib import Path
from typing import NamedTuple, Tuple

from espnet_cbpc.data.noisy_sets.noise_folder import sounding


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
    """Read the first channel of a noise file; see :func:`sounding`."""
    return Sound(*sounding(path))
