# SPDX-License-Identifier: Apache-2.0
"""Noise for utterances: dealt from shuffled decks, at ratios that are given or drawn.

Published manifests come out again bit for bit, so the order of the draws is fixed. There are two
orders, since the sets of ``fsdd_noisy`` and ``librispeech_noisy`` were drawn in another one than
those of ``mini_synth`` and of your own corpus.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Callable, Generic, Optional, TypeVar

import numpy as np

Utterance = TypeVar("Utterance", bound=Any)  # a dataclass with an id and an snr
Noise = TypeVar("Noise")


def left_clean(utterance: Utterance) -> Utterance:
    """Name an utterance that gets no noise."""
    return replace(utterance, id=f"{utterance.id}-clean")


class NoiseDealer(Generic[Utterance, Noise]):
    """Mixes utterances with noise, as lines of a manifest.

    Args:
        rng: random generator.
        add_noise: returns an utterance with a noise, which it may draw the place of.
        snr_range: of ratios that are drawn, in dB.
        noise_first: draw the noise before the ratio, and deal a shuffled deck from its end; else
            the ratio comes first, and the deck is dealt from its front.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        add_noise: Callable[[Utterance, Noise], Utterance],
        snr_range: tuple[float, float],
        noise_first: bool,
    ):
        self.rng = rng
        self.add_noise = add_noise
        self.snr_range = snr_range
        self.noise_first = noise_first

    def deal(self, noises: Sequence[Noise]) -> Iterator[Noise]:
        """Deal noises without end, so that all come equally often."""
        while True:
            deck = [noises[place] for place in self.rng.permutation(len(noises)).tolist()]
            yield from reversed(deck) if self.noise_first else deck

    def at_snrs(
        self,
        utterances: Iterable[Utterance],
        noises: Sequence[Noise],
        snrs: Sequence[float],
        digits: str = "02d",
    ) -> list[Utterance]:
        """Mix each utterance with one noise from one place at all the ratios.

        Args:
            utterances: what to mix.
            noises: to deal.
            snrs: the ratios in dB.
            digits: format of a ratio at the end of an id.
        """
        return [
            replace(noisy, id=f"{noisy.id}-snr{snr:{digits}}", snr=snr)
            for noisy in map(self.add_noise, utterances, self.deal(noises))
            for snr in snrs
        ]

    def at_random_snr(
        self,
        utterances: Iterable[Utterance],
        noises: Sequence[Noise],
        clean_fraction: Optional[float] = None,
        name_clean: Callable[[Utterance], Utterance] = left_clean,
    ) -> list[Utterance]:
        """Mix each utterance with one noise at a ratio of its own.

        Args:
            utterances: what to mix.
            noises: to deal.
            clean_fraction: share that is left clean, drawn utterance by utterance; None: none is.
            name_clean: what becomes of those.
        """
        dealt = self.deal(noises)
        return [
            name_clean(utterance)
            if clean_fraction is not None and self.rng.random() < clean_fraction
            else self._noisy(utterance, dealt)
            for utterance in utterances
        ]

    def _noisy(self, utterance: Utterance, dealt: Iterator[Noise]) -> Utterance:
        if self.noise_first:
            return replace(self.add_noise(utterance, next(dealt)), snr=self._snr())
        snr = self._snr()
        return replace(self.add_noise(utterance, next(dealt)), snr=snr)

    def _snr(self) -> float:
        return round(float(self.rng.uniform(*self.snr_range)), 2)
