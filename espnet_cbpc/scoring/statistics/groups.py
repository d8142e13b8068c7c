# SPDX-License-Identifier: Apache-2.0
"""Utterances grouped by a property, such as SNR."""

import math
from collections.abc import Iterable, Mapping
from typing import Optional

NO_VALUE = "none"
TO = " to "  # in the name of a stretch of numbers
MOST_GROUPS = 12  # more make no table
MOST_BINS = 8
WIDTHS = [step * 10.0**exponent for exponent in range(-6, 10) for step in (1, 2, 5)]


def group(utterances: Iterable[str], table: Mapping[str, str]) -> dict[str, list[str]]:
    """Split utterances by their value in a Kaldi ``utt2*`` table.

    Args:
        utterances: the ids.
        table: value by id; an id without one goes to the group ``none``.

    Returns:
        Ids by value, numbers first, in ascending order. Of many numbers, as SNRs drawn from a
        range, the values are stretches, ``-5 to 0`` (0 not included).
    """
    values = _in_bins({utterance: table.get(utterance, NO_VALUE) for utterance in utterances})
    groups: dict[str, list[str]] = {}
    for utterance, value in values.items():
        groups.setdefault(value, []).append(utterance)
    return {value: groups[value] for value in sorted(groups, key=_order)}


def number(value: str) -> Optional[float]:
    """Return ``value`` as a number, or None if it is none, as ``nan`` and ``inf``."""
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def lowest(value: str) -> Optional[float]:
    """Return the number or the lower end of the stretch that a group is named by, if it is."""
    return number(value.partition(TO)[0])


def _in_bins(table: dict[str, str]) -> dict[str, str]:
    """Put numbers into stretches of one round width, where there are too many for groups."""
    numbers = {key: number(value) for key, value in table.items()}
    finite = {key: n for key, n in numbers.items() if n is not None}
    if len(set(table.values())) <= MOST_GROUPS or not finite:
        return table
    span = max(finite.values()) - min(finite.values())
    width = next(width for width in WIDTHS if span < MOST_BINS * width)
    lows = {key: math.floor(n / width) * width for key, n in finite.items()}
    return {**table, **{key: f"{low:g}{TO}{low + width:g}" for key, low in lows.items()}}


def _order(value: str) -> tuple[bool, float, str]:
    n = lowest(value)
    return (n is None, n or 0.0, value)
