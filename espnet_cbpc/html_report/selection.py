# SPDX-License-Identifier: Apache-2.0
"""Which utterances are shown: by rule, the same ones for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median_low
from typing import Callable, NamedTuple, Union

import numpy as np

from espnet_cbpc.html_report.decoded_set import DecodedSet
from espnet_cbpc.scoring.statistics.groups import number

INFINITY = float("inf")
Score = Union[float, tuple[float, ...]]


class Place(NamedTuple):
    """An utterance of a set."""

    decoded: DecodedSet
    utterance: str


@dataclass(frozen=True)
class Choice:
    """An utterance and the rule that it was chosen by."""

    why: str
    place: Place


def places(sets: Sequence[DecodedSet]) -> list[Place]:
    """Return all utterances that have words in their reference."""
    return [Place(s, key) for s in sets for key, text in s.ref.items() if text]


def rate(place: Place, system: str) -> float:
    """Return the WER of one utterance."""
    return place.decoded.counts[system][place.utterance].rate


def worst_and_best(
    sets: Sequence[DecodedSet], system: str, count: int
) -> tuple[list[Place], list[Place]]:
    """Return the utterances with the highest WER of a system, if any has errors, and the lowest.

    Of equal WER the longer utterance comes first; then, among the worst, that of the higher SNR,
    and among the best that of the lower SNR.

    Args:
        sets: where to look.
        system: whose WER.
        count: of each list; no utterance is in both.
    """

    def words(place: Place) -> int:
        return place.decoded.counts[system][place.utterance].words

    everywhere = places(sets)
    wrong = [place for place in everywhere if rate(place, system) > 0]
    worst = sorted(
        wrong, key=lambda p: (-rate(p, system), -words(p), -_snr(p, -INFINITY), p.utterance)
    )[:count]
    rest = [place for place in everywhere if place not in worst]
    best = sorted(rest, key=lambda p: (rate(p, system), -words(p), _snr(p, INFINITY), p.utterance))
    return worst, best[:count]


def choose(sets: Sequence[DecodedSet], system: str, seed: int) -> list[Choice]:
    """Choose the examples: worst, median, best, and where systems differ most.

    Noisy speech is looked at, or all where there is none. Among equals the seed decides; nothing is
    chosen twice.

    Args:
        sets: where to look.
        system: whose errors decide.
        seed: of the draws.
    """
    everywhere = places(sets)
    left = [p for p in everywhere if p.decoded.category(p.utterance) != "CLEAN"] or everywhere
    if not left:
        return []
    rng = np.random.default_rng(seed)
    middle = median_low(rate(place, system) for place in left)
    others = [name for name in sets[0].counts if name != system]

    def gain(place: Place) -> float:
        return mean(rate(place, name) for name in others) - rate(place, system)

    rules: list[tuple[str, Callable[[Place], Score], bool]] = [
        ("Highest WER", lambda p: rate(p, system), True),
        ("Median WER", lambda p: -abs(rate(p, system) - middle), True),
        (
            "Lowest WER, in the loudest noise",
            lambda p: (-rate(p, system), -_snr(p, INFINITY)),
            True,
        ),
        ("Furthest ahead of the other systems", gain, bool(others)),
        ("Furthest behind the other systems", lambda p: -gain(p), bool(others)),
    ]
    chosen: list[Choice] = []
    for why, score, applies in rules:
        if applies and left:
            top = max(map(score, left))
            equals = [place for place in left if score(place) == top]
            place = equals[rng.integers(len(equals))]
            left.remove(place)
            chosen.append(Choice(why, place))
    return chosen


def _snr(place: Place, default: float) -> float:
    value = number(place.decoded.value("utt2snr", place.utterance) or "")
    return default if value is None else value
