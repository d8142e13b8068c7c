# SPDX-License-Identifier: Apache-2.0
"""G. Hu's "100 Nonspeech Sounds" as noise: which of them are used in training, and which are not."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from espnet_cbpc.data.noisy_sets.corpus import Corpus
from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture

NONSPEECH = Corpus(
    variable="NONSPEECH",
    url="http://web.cse.ohio-state.edu/pnl/corpus/HuNonspeech/Nonspeech.zip",
    folder="Nonspeech",
    files="n*.wav",
)
NAMES = tuple(f"n{number}.wav" for number in range(1, 101))
RATE = 20000

Part = tuple[str, tuple[int, int]]  # a noise file, and first and last per cent of it
HEARD = [(name, (0, 60)) for name in NAMES[:70]]  # in training
HELD_OUT = [(name, (60, 100)) for name in NAMES[:70]]
UNSEEN = [(name, (0, 100)) for name in NAMES[70:]]


def add_noise(
    rng: np.random.Generator, lengths: Mapping[str, int], utterance: Mixture, dealt: Part
) -> Mixture:
    """Return an utterance with a noise from a random place of a part on.

    Args:
        rng: random generator.
        lengths: samples of each noise file at its own rate.
        utterance: without noise.
        dealt: the part.
    """
    noise, part = dealt
    begin, end = segment(lengths[noise], part)
    length = (end - begin) * utterance.fs // RATE
    number = int(noise[1:].partition(".")[0])
    return replace(
        utterance,
        id=f"{utterance.id}-n{number:03d}",
        noise=noise,
        segment=(begin, end),
        offset=int(rng.integers(length)),
    )


def segment(length: int, part: tuple[int, int]) -> tuple[int, int]:
    """Return first sample and end of a part, in per cent, of a file of ``length`` samples."""
    begin, end = (length * per_cent // 100 for per_cent in part)
    return begin, end
