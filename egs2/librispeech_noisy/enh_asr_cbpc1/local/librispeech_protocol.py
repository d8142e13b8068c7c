"""The noisy LibriSpeech protocol: which mixtures make up which set. It is our own choice.

Everything random is drawn here, from one generator, before any audio is written. The tests are
drawn first, then dev, then train, so that the amount of training data does not change the others.
Speech and noises come in a fixed order, so that the draws depend on the seed and the corpora alone.
"""

import math
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
from librispeech_corpus import Recording
from noise_corpora import Noise
from noise_sound import Sound

from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture

PEAK = 0.7  # of speech before mixing


@dataclass(frozen=True)
class Sizes:
    """What to draw.

    Attributes:
        num_dev: utterances in dev, at most.
        num_test: different utterances in a noisy test, at most.
        test_snrs: ratios at which each of them is mixed, in dB.
        snr_range: of dev and train, in dB.
        clean_fraction: of train, left clean.
    """

    num_dev: int
    num_test: int
    test_snrs: Sequence[int]
    snr_range: Tuple[float, float]
    clean_fraction: float


class Draw:
    """Draws mixtures.

    Args:
        lengths: samples and sampling rate in Hz of each recording by its file.
        sounds: where each noise file sounds.
        noises: the noises of each use.
        fs: sampling rate of the mixtures in Hz.
        seed: of the one generator.
    """

    def __init__(
        self,
        lengths: Mapping[str, Tuple[int, int]],
        sounds: Mapping[str, Sound],
        noises: Mapping[str, Sequence[Noise]],
        fs: int,
        seed: int,
    ):
        self.lengths = lengths
        self.sounds = sounds
        self.noises = noises
        self.fs = fs
        self.rng = np.random.default_rng(seed)

    def sets(
        self,
        test: Sequence[Recording],
        dev: Sequence[Recording],
        train: Sequence[Recording],
        sizes: Sizes,
    ) -> Dict[str, List[Mixture]]:
        """Return the mixtures of every noisy set by its name, sorted by id.

        Args:
            test: the speech of the tests.
            dev: of dev.
            train: of ``train_noisy``; empty: there is no such set.
            sizes: what to draw.
        """
        test = self._some(test, sizes.num_test)
        drawn = {
            "test_seen": self._at_snrs(test, "seen", sizes.test_snrs),
            "test_unseen": self._at_snrs(test, "unseen", sizes.test_snrs),
            "dev": self._at_random_snr(self._some(dev, sizes.num_dev), "dev", sizes.snr_range, 0),
        }
        if train:
            drawn["train_noisy"] = self._at_random_snr(
                train, "train", sizes.snr_range, sizes.clean_fraction
            )
        return {name: sorted(mixtures, key=lambda m: m.id) for name, mixtures in drawn.items()}

    def _some(self, recordings: Sequence[Recording], count: int) -> List[Recording]:
        count = min(count, len(recordings))
        picked = self.rng.choice(len(recordings), count, replace=False)
        return [recordings[place] for place in sorted(picked.tolist())]

    def _at_snrs(
        self, recordings: Sequence[Recording], use: str, snrs: Sequence[int]
    ) -> List[Mixture]:
        """Mix each recording with one stretch of noise at all the ratios."""
        mixtures = []
        for recording, noise in zip(recordings, self._deal(use)):
            noisy = self._with_noise(self._clean(recording), noise)
            mixtures += [replace(noisy, id=f"{noisy.id}-snr{snr:02d}", snr=snr) for snr in snrs]
        return mixtures

    def _at_random_snr(
        self,
        recordings: Sequence[Recording],
        use: str,
        snr_range: Tuple[float, float],
        clean_fraction: float,
    ) -> List[Mixture]:
        mixtures = []
        noises = self._deal(use)
        for recording in recordings:
            mixture = self._clean(recording)
            if self.rng.random() >= clean_fraction:
                snr = round(float(self.rng.uniform(*snr_range)), 2)
                mixture = replace(self._with_noise(mixture, next(noises)), snr=snr)
            mixtures.append(mixture)
        return mixtures

    def _clean(self, recording: Recording) -> Mixture:
        return Mixture(
            id=recording.id,
            speaker=recording.speaker,
            text=recording.text,
            fs=self.fs,
            recordings=(recording.file,),
            silences=(),
            peak=PEAK,
        )

    def _with_noise(self, mixture: Mixture, noise: Noise) -> Mixture:
        """Choose a stretch as long as the speech, or all that there is, from a random place on."""
        samples, rate = self.lengths[mixture.recordings[0]]
        sound = self.sounds[noise.file]
        begin, end = sound.part(noise.share)
        wanted = math.ceil(samples / rate * sound.rate) + 1
        if wanted <= end - begin:
            begin += int(self.rng.integers(end - begin - wanted + 1))
            return replace(mixture, noise=noise.file, segment=(begin, begin + wanted))
        offset = int(self.rng.integers(max(1, (end - begin) * self.fs // sound.rate)))
        return replace(mixture, noise=noise.file, segment=(begin, end), offset=offset)

    def _deal(self, use: str) -> Iterator[Noise]:
        """Deal from shuffled decks: all corpora equally often, and the files of each."""
        by_corpus: Dict[str, List[Noise]] = {}
        for noise in self.noises[use]:
            by_corpus.setdefault(noise.corpus, []).append(noise)
        decks = {corpus: self._shuffled(members) for corpus, members in by_corpus.items()}
        for corpus in self._shuffled(sorted(by_corpus)):
            yield next(decks[corpus])

    def _shuffled(self, deck: Sequence) -> Iterator:
        while True:
            yield from (deck[place] for place in self.rng.permutation(len(deck)).tolist())
