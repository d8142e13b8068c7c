# SPDX-License-Identifier: Apache-2.0
"""The noisy connected digits protocol: which mixtures make up which set.

Everything random is drawn here, from one generator, before any audio is written. The test sets are
drawn first, then dev, then train, so that the amount of training data does not change the others;
dev_noisy, which came later, is drawn last, so that it did not change them either.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from fsdd_corpus import RATE, SPEAKERS

from espnet_cbpc.data.noisy_sets.deck import NoiseDealer, left_clean
from espnet_cbpc.data.noisy_sets.noisy_mixture import PEAK, Mixture
from espnet_cbpc.data.noisy_sets.nonspeech import HEARD, HELD_OUT, UNSEEN, add_noise

WORDS = "zero one two three four five six seven eight nine".split()
NEW_SPEAKER = "lucas"
KNOWN_SPEAKERS = tuple(speaker for speaker in SPEAKERS if speaker != NEW_SPEAKER)
TEST, DEV, TRAIN = range(5), range(5, 10), range(10, 50)  # indices of recordings
SNR_RANGE = (-5, 20)
TEST_SNRS, NEW_SPEAKER_SNRS = (-5, 0, 5, 10, 15), (0, 5, 10)
RECORDINGS_PER_UTTERANCE = (3, 7)
SILENCE_SECONDS = (0.02, 0.15)


@dataclass(frozen=True)
class Sizes:
    """How much to draw: minutes of training speech, its clean share, utterances of dev and test."""

    train_minutes: float
    clean_fraction: float
    num_dev: int
    num_test: int


class Draw:
    """Draws mixtures.

    Args:
        recordings: samples of each FSDD recording at its own rate.
        noises: samples of each noise file at its own rate.
        fs: sampling rate of the mixtures in Hz.
        seed: random seed.
    """

    def __init__(
        self, recordings: Mapping[str, int], noises: Mapping[str, int], fs: int, seed: int
    ):
        self.recordings = recordings
        self.fs = fs
        self.rng = np.random.default_rng(seed)
        self.dealer = NoiseDealer(
            self.rng, partial(add_noise, self.rng, noises), SNR_RANGE, noise_first=False
        )

    def sets(self, sizes: Sizes) -> dict[str, list[Mixture]]:
        """Return the mixtures of every set by its name, sorted by id."""
        dealer = self.dealer
        test = self.utterances("test", KNOWN_SPEAKERS, TEST, sizes.num_test)
        new = self.utterances("test", (NEW_SPEAKER,), TEST, sizes.num_test)
        dev = self.utterances("dev", KNOWN_SPEAKERS, DEV, sizes.num_dev)
        drawn = {
            "test_clean": [left_clean(u) for u in test],
            "test_seen": dealer.at_snrs(test, HELD_OUT, TEST_SNRS),
            "test_unseen": dealer.at_snrs(test, UNSEEN, TEST_SNRS),
            "test_newspk": [left_clean(u) for u in new]
            + dealer.at_snrs(new, UNSEEN, NEW_SPEAKER_SNRS),
            "dev_clean": [left_clean(u) for u in dev],
            "dev": dealer.at_random_snr(dev, HELD_OUT, clean_fraction=0),
        }
        train = self.utterances_of_minutes("train", KNOWN_SPEAKERS, TRAIN, sizes.train_minutes)
        drawn["train"] = dealer.at_random_snr(train, HEARD, sizes.clean_fraction)
        drawn["dev_noisy"] = dealer.at_snrs(dev, HELD_OUT, TEST_SNRS)
        return {
            name: sorted(mixtures, key=lambda mixture: mixture.id)
            for name, mixtures in drawn.items()
        }

    def utterances(
        self, name: str, speakers: Sequence[str], indices: Sequence[int], count: int
    ) -> list[Mixture]:
        """Draw ``count`` clean utterances from recordings of these speakers and indices."""
        return list(itertools.islice(self._stream(name, speakers, indices), count))

    def utterances_of_minutes(
        self, name: str, speakers: Sequence[str], indices: Sequence[int], minutes: float
    ) -> list[Mixture]:
        """Draw clean utterances, ``minutes`` of them."""
        utterances: list[Mixture] = []
        seconds = 0.0
        for utterance in self._stream(name, speakers, indices):
            if seconds >= 60 * minutes:
                break
            utterances.append(utterance)
            seconds += sum(self.recordings[file] for file in utterance.recordings) / RATE
            seconds += sum(utterance.silences) / self.fs
        return utterances

    def _stream(
        self, name: str, speakers: Sequence[str], indices: Sequence[int]
    ) -> Iterator[Mixture]:
        """Draw clean utterances without end, the speakers taking turns."""
        shortest, longest = (round(seconds * self.fs) for seconds in SILENCE_SECONDS)
        fewest, most = RECORDINGS_PER_UTTERANCE
        for number, speaker in enumerate(itertools.cycle(speakers)):
            count = int(self.rng.integers(fewest, most, endpoint=True))
            picked = self.rng.choice(len(WORDS) * len(indices), size=count, replace=False).tolist()
            digits = [place // len(indices) for place in picked]
            silences = self.rng.integers(shortest, longest, size=count - 1, endpoint=True)
            yield Mixture(
                id=f"{speaker}-{name}-{number:05d}",
                speaker=speaker,
                text=" ".join(WORDS[digit] for digit in digits),
                fs=self.fs,
                recordings=tuple(
                    f"{digit}_{speaker}_{indices[place % len(indices)]}.wav"
                    for digit, place in zip(digits, picked)
                ),
                silences=tuple(silences.tolist()),
                peak=PEAK,
            )
