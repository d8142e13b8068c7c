"""A folder of noise: which part of each file can be used."""

from typing import Tuple

import numpy as np


def longest_sound(samples: np.ndarray, pause: int) -> Tuple[int, int]:
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
