# SPDX-License-Identifier: Apache-2.0
"""The noisy LibriSpeech protocol: which mixtures make up which set. It is our own choice.

Everything random is drawn here, from one generator, before any audio is written. The tests are
drawn first, then dev, then train, so that the amount of training data does not change the others.
Speech and noises come in a fixed order, so that the draws depend on the seed and the corpora alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from noise_corpora import Noise

from espnet_cbpc.data.noisy_sets.deck import NoiseDealer
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile
from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture
from espnet_cbpc.data.noisy_sets.speech_folder import Recording


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
    snr_range: tuple[float, float]
    clean_fraction: float


class CorpusDealer(NoiseDealer[Mixture, Noise]):
    """Deals all corpora equally often, and the files of each."""

    def deal(self, noises: Sequence[Noise]) -> Iterator[Noise]:
        """Deal noises without end."""
        by_corpus: dict[str, list[Noise]] = {}
        for noise in noises:
            by_corpus.setdefault(noise.corpus, []).append(noise)
        decks = {corpus: super(CorpusDealer, self).deal(own) for corpus, own in by_corpus.items()}
        for corpus in super().deal(sorted(by_corpus)):
            yield next(decks[corpus])


class Draw:
    """Draws mixtures.

    Args:
        lengths: samples and sampling rate in Hz of each recording by its file.
        sounds: where each noise file sounds.
        noises: the noises of each use.
        fs: sampling rate of the mixtures in Hz.
        sizes: what to draw.
        seed: random seed.
    """

    def __init__(
        self,
        lengths: Mapping[str, tuple[int, int]],
        sounds: Mapping[str, NoiseFile],
        noises: Mapping[str, Sequence[Noise]],
        fs: int,
        sizes: Sizes,
        seed: int,
    ):
        self.lengths = lengths
        self.sounds = sounds
        self.noises = noises
        self.fs = fs
        self.sizes = sizes
        self.rng = np.random.default_rng(seed)
        self.dealer = CorpusDealer(self.rng, self._add_noise, sizes.snr_range, noise_first=False)

    def sets(
        self, test: Sequence[Recording], dev: Sequence[Recording], train: Sequence[Recording]
    ) -> dict[str, list[Mixture]]:
        """Return the mixtures of every noisy set by its name, sorted by id.

        Args:
            test: the speech of the tests.
            dev: of dev.
            train: of ``train_noisy``; empty: there is no such set.
        """
        noises, sizes, dealer = self.noises, self.sizes, self.dealer
        speech = self._some(test, sizes.num_test)
        drawn = {
            "test_seen": dealer.at_snrs(speech, noises["seen"], sizes.test_snrs),
            "test_unseen": dealer.at_snrs(speech, noises["unseen"], sizes.test_snrs),
            "dev": dealer.at_random_snr(self._some(dev, sizes.num_dev), noises["dev"], 0),
        }
        if train:
            drawn["train_noisy"] = dealer.at_random_snr(
                map(self._clean, train), noises["train"], sizes.clean_fraction, lambda m: m
            )
        return {name: sorted(mixtures, key=lambda m: m.id) for name, mixtures in drawn.items()}

    def _some(self, recordings: Sequence[Recording], count: int) -> list[Mixture]:
        count = min(count, len(recordings))
        picked = self.rng.choice(len(recordings), count, replace=False)
        return [self._clean(recordings[place]) for place in sorted(picked.tolist())]

    def _clean(self, recording: Recording) -> Mixture:
        return Mixture.of(recording, self.fs)

    def _add_noise(self, mixture: Mixture, noise: Noise) -> Mixture:
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
