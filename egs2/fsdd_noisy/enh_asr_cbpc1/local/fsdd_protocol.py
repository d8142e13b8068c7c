"""The noisy connected digits protocol: which mixtures make up which set.

Everything random is drawn here, from one generator, before any audio is written. The test sets are
drawn first, then dev, then train, so that the amount of training data does not change the others;
dev_noisy, which came later, is drawn last, so that it did not change them either.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
from fsdd_corpora import FSDD, NONSPEECH, SPEAKERS

from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture

WORDS = "zero one two three four five six seven eight nine".split()
NEW_SPEAKER = "lucas"
KNOWN_SPEAKERS = tuple(speaker for speaker in SPEAKERS if speaker != NEW_SPEAKER)
TEST, DEV, TRAIN = range(0, 5), range(5, 10), range(10, 50)  # indices of recordings
SEEN, UNSEEN = NONSPEECH.names[:70], NONSPEECH.names[70:]
FIRST, LAST, WHOLE = (0, 60), (60, 100), (0, 100)  # per cent of a noise file
SNR_RANGE = (-5, 20)
TEST_SNRS, NEW_SPEAKER_SNRS = (-5, 0, 5, 10, 15), (0, 5, 10)
RECORDINGS_PER_UTTERANCE = (3, 7)
SILENCE_SECONDS = (0.02, 0.15)
PEAK = 0.7


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
        seed: of the one generator.
    """

    def __init__(
        self, recordings: Mapping[str, int], noises: Mapping[str, int], fs: int, seed: int
    ):
        self.recordings = recordings
        self.noises = noises
        self.fs = fs
        self.rng = np.random.default_rng(seed)

    def sets(self, sizes: Sizes) -> Dict[str, List[Mixture]]:
        """Return the mixtures of every set by its name, sorted by id."""
        test = self._utterances("test", KNOWN_SPEAKERS, TEST, sizes.num_test)
        new = self._utterances("test", (NEW_SPEAKER,), TEST, sizes.num_test)
        dev = self._utterances("dev", KNOWN_SPEAKERS, DEV, sizes.num_dev)
        drawn = {
            "test_clean": _clean(test),
            "test_seen": self._at_snrs(test, SEEN, LAST, TEST_SNRS),
            "test_unseen": self._at_snrs(test, UNSEEN, WHOLE, TEST_SNRS),
            "test_newspk": _clean(new) + self._at_snrs(new, UNSEEN, WHOLE, NEW_SPEAKER_SNRS),
            "dev_clean": _clean(dev),
            "dev": self._at_random_snr(dev, LAST, clean_fraction=0),
        }
        train = self._utterances_of_minutes("train", KNOWN_SPEAKERS, TRAIN, sizes.train_minutes)
        drawn["train"] = self._at_random_snr(train, FIRST, sizes.clean_fraction)
        drawn["dev_noisy"] = self._at_snrs(dev, SEEN, LAST, TEST_SNRS)
        return {
            name: sorted(mixtures, key=lambda mixture: mixture.id)
            for name, mixtures in drawn.items()
        }

    def _utterances(
        self, name: str, speakers: Sequence[str], indices: Sequence[int], count: int
    ) -> List[Mixture]:
        return list(itertools.islice(self._stream(name, speakers, indices), count))

    def _utterances_of_minutes(
        self, name: str, speakers: Sequence[str], indices: Sequence[int], minutes: float
    ) -> List[Mixture]:
        utterances: List[Mixture] = []
        seconds = 0.0
        for utterance in self._stream(name, speakers, indices):
            if seconds >= 60 * minutes:
                break
            utterances.append(utterance)
            seconds += sum(self.recordings[file] for file in utterance.recordings) / FSDD.rate
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

    def _at_snrs(
        self,
        utterances: Sequence[Mixture],
        noises: Sequence[str],
        part: Tuple[int, int],
        snrs: Sequence[int],
    ) -> List[Mixture]:
        """Mix each utterance with one noise from one offset at all the ratios."""
        mixtures = []
        for utterance, noise in zip(utterances, self._deal(noises)):
            noisy = self._with_noise(utterance, noise, part)
            mixtures += [replace(noisy, id=f"{noisy.id}-snr{snr:02d}", snr=snr) for snr in snrs]
        return mixtures

    def _at_random_snr(
        self, utterances: Sequence[Mixture], part: Tuple[int, int], clean_fraction: float
    ) -> List[Mixture]:
        mixtures = []
        noises = self._deal(SEEN)
        for utterance in utterances:
            if self.rng.random() < clean_fraction:
                mixtures += _clean([utterance])
                continue
            snr = round(float(self.rng.uniform(*SNR_RANGE)), 2)
            mixtures.append(replace(self._with_noise(utterance, next(noises), part), snr=snr))
        return mixtures

    def _with_noise(self, utterance: Mixture, noise: str, part: Tuple[int, int]) -> Mixture:
        begin, end = (self.noises[noise] * per_cent // 100 for per_cent in part)
        length = (end - begin) * self.fs // NONSPEECH.rate
        number = int(noise[1:].partition(".")[0])
        return replace(
            utterance,
            id=f"{utterance.id}-n{number:03d}",
            noise=noise,
            segment=(begin, end),
            offset=int(self.rng.integers(length)),
        )

    def _deal(self, noises: Sequence[str]) -> Iterator[str]:
        """Deal noises from shuffled decks, so that all come equally often."""
        while True:
            yield from (noises[place] for place in self.rng.permutation(len(noises)).tolist())


def _clean(utterances: Sequence[Mixture]) -> List[Mixture]:
    return [replace(utterance, id=f"{utterance.id}-clean") for utterance in utterances]
