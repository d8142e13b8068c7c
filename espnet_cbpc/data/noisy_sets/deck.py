"""Noise for utterances: dealt from shuffled decks, at ratios that are given or drawn.

Published manifests come out again bit for bit, so the order of the draws is fixed. There are two
orders, since the sets of ``fsdd_noisy`` and ``librispeech_noisy`` were drawn in another one than
those of ``mini_synth`` and of one's own corpus.
"""

from dataclasses import replace
from typing import Callable, Generic, Iterable, Iterator, List, Sequence, Tuple, TypeVar

import numpy as np

Utterance = TypeVar("Utterance")  # a dataclass with an id and an snr
Noise = TypeVar("Noise")


class NoiseDealer(Generic[Utterance, Noise]):
    """Mixes utterances with noise, as lines of a manifest.

    Args:
        rng: where every draw comes from.
        add_noise: returns an utterance with a noise, which it may draw the place of.
        snr_range: of ratios that are drawn, in dB.
        noise_first: draw the noise before the ratio, and deal a shuffled deck from its end; else
            the ratio comes first, and the deck is dealt from its front.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        add_noise: Callable[[Utterance, Noise], Utterance],
        snr_range: Tuple[float, float],
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
        noises: Iterator[Noise],
        snrs: Sequence[float],
        digits: str = "02d",
    ) -> List[Utterance]:
        """Mix each utterance with one noise from one place at all the ratios.

        Args:
            utterances: what to mix.
            noises: as they are dealt.
            snrs: the ratios in dB.
            digits: format of a ratio at the end of an id.
        """
        return [
            replace(noisy, id=f"{noisy.id}-snr{snr:{digits}}", snr=snr)
            for noisy in map(self.add_noise, utterances, noises)
            for snr in snrs
        ]

    def at_random_snr(self, utterance: Utterance, noises: Iterator[Noise]) -> Utterance:
        """Mix an utterance with the noise that is dealt next, at a ratio that is drawn."""
        if self.noise_first:
            return replace(self.add_noise(utterance, next(noises)), snr=self._snr())
        snr = self._snr()
        return replace(self.add_noise(utterance, next(noises)), snr=snr)

    def _snr(self) -> float:
        return round(float(self.rng.uniform(*self.snr_range)), 2)


def left_clean(utterances: Iterable[Utterance]) -> List[Utterance]:
    """Name utterances that get no noise."""
    return [replace(utterance, id=f"{utterance.id}-clean") for utterance in utterances]
