# SPDX-License-Identifier: Apache-2.0
"""WER by a property of the utterances: SNR, noise, environment, speaker."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from espnet_cbpc.scoring.report.results import ErrorRate, Interval, Results, groups_by
from espnet_cbpc.scoring.report.table import Table
from espnet_cbpc.scoring.report.wording import percent_with_interval, property_name, with_unit

Rate = tuple[Optional[float], Interval]


@dataclass(frozen=True)
class ByProperty:
    """WER of every system for every value of a property, on one set.

    Attributes:
        set_name: the set.
        breakdown: the ``utt2*`` table.
        rates: system to value to WER and its interval; every system has the same values.
        totals: system to WER and interval on the whole set.
    """

    set_name: str
    breakdown: str
    rates: dict[str, dict[str, Rate]]
    totals: dict[str, Rate]

    @property
    def values(self) -> list[str]:
        """The values, as in the results: numbers first, in ascending order."""
        return list(next(iter(self.rates.values())))

    @property
    def title(self) -> str:
        """Set and property."""
        return f"{self.set_name}: WER (%) by {property_name(self.breakdown)}"

    def table(self) -> Table:
        """Return all numbers."""
        head = ["system", *(with_unit(self.breakdown, value) for value in self.values), "all"]
        rows = [
            [name, *(percent_with_interval(*r) for r in (*of_values.values(), self.totals[name]))]
            for name, of_values in self.rates.items()
        ]
        return Table(f"{self.title}, in brackets the interval", head, rows)


def from_results(
    results: Results, systems: Iterable[str], set_name: str, breakdown: str
) -> ByProperty:
    """Return what the results tell of a set; without values where they are not split so."""
    rates, totals = {}, {}
    for system in systems:
        errors = results["wer"][system][set_name]
        groups = groups_by(results, errors, breakdown)
        rates[system] = {value: _rate(part) for value, part in groups.items()}
        totals[system] = _rate(errors["total"])
    return ByProperty(set_name, breakdown, rates, totals)


def _rate(errors: ErrorRate) -> Rate:
    return errors["rate"], errors["interval"]
