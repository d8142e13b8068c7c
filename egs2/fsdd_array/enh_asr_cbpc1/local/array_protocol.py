# SPDX-License-Identifier: Apache-2.0
"""The digits before an array: which rooms, places and noises make up which set.

Rooms, like noises, are seen or unseen. In the seen rooms, training, dev and the test have places of
their own for speaker and noises.
"""

from typing import NamedTuple, Optional

from espnet_cbpc.data.noisy_sets.nonspeech import HEARD, HELD_OUT, UNSEEN
from espnet_cbpc.data.noisy_sets.room_bank import RoomRanges

SMALL = {"length": (3.5, 6.0), "width": (3.0, 5.0), "height": (2.5, 3.0), "rt60": (0.2, 0.4)}
LARGE = {"length": (6.0, 9.0), "width": (5.0, 7.0), "height": (3.0, 4.0), "rt60": (0.4, 0.6)}
ROOMS = {
    "seen": RoomRanges(**SMALL, speakers=4, noises=7),
    "unseen": RoomRanges(**LARGE, speakers=1, noises=2),
}
NOISES = {"train": HEARD, "held_out": HELD_OUT, "unseen": UNSEEN}

SNR_RANGE = (-5, 15)  # of train and dev
NUM_NOISES = (1, 2)  # sounding at once
# The reference comes first: CH5, as in CHiME-4's simulated data.
TRACKS = {"1ch": (4,), "2ch": (4, 0), "6ch": (4, 0, 1, 2, 3, 5)}


class Condition(NamedTuple):
    """Where a set is heard.

    Attributes:
        rooms: of ``ROOMS``.
        noises: of ``NOISES``.
        places: of speech and of noise in each room.
    """

    rooms: str
    noises: str
    places: tuple[str, ...]


CONDITIONS: dict[str, Condition] = {
    "train": Condition("seen", "train", ("speech1", "speech2", "noise1", "noise2", "noise3")),
    "dev": Condition("seen", "held_out", ("speech3", "noise4", "noise5")),
    "test_seen": Condition("seen", "held_out", ("speech4", "noise6", "noise7")),
    "test_unseen": Condition("unseen", "unseen", ("speech1", "noise1", "noise2")),
}


class ArraySetPlan(NamedTuple):
    """A set on disk: its condition, the clean speech in it, and its ratios (none: drawn)."""

    condition: str
    clean: str
    snrs: tuple[Optional[float], ...]


def plans(snrs: tuple[float, ...]) -> dict[str, ArraySetPlan]:
    """Return the sets on disk by name; ``snrs`` are those of the tests."""
    return {
        "dev": ArraySetPlan("dev", "dev_dry", ()),
        "test_clean": ArraySetPlan("test_seen", "test_dry", (None,)),
        "test_seen": ArraySetPlan("test_seen", "test_dry", snrs),
        "test_unseen": ArraySetPlan("test_unseen", "test_dry", snrs),
    }
