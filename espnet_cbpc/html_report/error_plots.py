# SPDX-License-Identifier: Apache-2.0
"""Plots of WER by a property of the utterances: SNR, noise, environment, speaker."""

import textwrap
from dataclasses import replace
from typing import Any, Optional

import numpy as np
from matplotlib.figure import Figure

from espnet_cbpc.html_report.decoded_set import DecodedSet
from espnet_cbpc.html_report.figures import Picture, draw, look, per_cent
from espnet_cbpc.scoring.report.by_property import ByProperty, Rate
from espnet_cbpc.scoring.report.results import Bootstrap
from espnet_cbpc.scoring.report.wording import percent, property_name, with_unit
from espnet_cbpc.scoring.statistics.estimates import Resampling, intervals
from espnet_cbpc.scoring.statistics.groups import group, lowest

MOST_POINTS = 48  # of the plot by noise: as many as fit on a screen
MOST_BANDS = 5  # systems whose intervals can be told apart


def with_scores(found: ByProperty, decoded: DecodedSet, bootstrap: Bootstrap) -> ByProperty:
    """Complete what the results do not have, or that has many values, from the scores of a set.

    Where the set has no such table, there is one value.
    """
    options: dict[str, Any] = dict(bootstrap)
    block, how = options.pop("block"), Resampling(**options)
    groups = group(decoded.ref, decoded.properties.get(found.breakdown, {}))
    index = {utterance: i for i, utterance in enumerate(decoded.ref)}
    labels = None if block is None else np.array([decoded.value(block, u) for u in decoded.ref])
    rates: dict[str, dict[str, Rate]] = {system: {} for system in decoded.scores}
    for value, utterances in groups.items():
        members = [index[utterance] for utterance in utterances]
        rows = [scores.at(members) for scores in decoded.scores.values()]
        ends = intervals(rows, None if labels is None else labels[members], how)
        for system, row, interval in zip(rates, rows, ends):
            rates[system][value] = (_number(row.rate), [_number(end) for end in interval])
    return replace(found, rates=rates)


def hardest(found: ByProperty) -> list[str]:
    """Return the values of the highest mean WER, the highest first, as many as are drawn."""

    def mean(value: str) -> float:
        rates = [of_values[value][0] for of_values in found.rates.values()]
        return float(np.mean([rate for rate in rates if rate is not None] or [0.0]))

    most = max(2, MOST_POINTS // len(found.rates))
    return sorted(found.values, key=mean, reverse=True)[:most]


def plot(found: ByProperty) -> Picture:
    """Draw lines over numbers (SNRs), else a row of points for each value."""
    numbers = [lowest(value) for value in found.values]
    legend = 0.16 * sum(len(_wrapped(system).splitlines()) for system in found.rates)
    if any(n is None for n in numbers):
        rows = len(hardest(found))
        height = 1.0 + rows * (0.16 + 0.07 * len(found.rates)) + legend
        return draw(lambda figure: _rows(figure, found), _alt_of_rows(found), height=height)
    return draw(lambda figure: _lines(figure, found), _alt_of_lines(found), height=2.7 + legend)


def _lines(figure: Figure, found: ByProperty) -> None:
    axes = figure.add_subplot()
    x = [lowest(value) for value in found.values]
    for i, (system, of_values) in enumerate(found.rates.items()):
        rates = [per_cent(rate) for rate, _ in of_values.values()]
        axes.plot(x, rates, label=_wrapped(system), markersize=5, linewidth=1.4, **look(i))
        if len(found.rates) <= MOST_BANDS:
            bands = [[per_cent(end) for end in interval] for _, interval in of_values.values()]
            low, high = np.array(bands).T
            axes.fill_between(x, low, high, color=look(i)["color"], alpha=0.18, linewidth=0)
    axes.set_xticks(x, [with_unit(found.breakdown, value) for value in found.values])
    axes.set(xlabel=property_name(found.breakdown), ylabel="WER (%)")
    axes.set_ylim(bottom=0)
    _finish(figure, axes)


def _rows(figure: Figure, found: ByProperty) -> None:
    axes = figure.add_subplot()
    shown = hardest(found)
    step = 0.7 / len(found.rates)
    for i, (system, of_values) in enumerate(found.rates.items()):
        y = np.arange(len(shown)) - 0.35 + step * (i + 0.5)
        rates = np.array([per_cent(of_values[value][0]) for value in shown])
        style = {**look(i), "linestyle": "none"}
        axes.plot(rates, y, label=_wrapped(system), markersize=4.5, **style)
        for height, value in zip(y, shown):
            ends = [per_cent(end) for end in of_values[value][1]]
            axes.plot(ends, [height] * 2, color=style["color"], linewidth=1, alpha=0.6)
    axes.set_yticks(range(len(shown)), [with_unit(found.breakdown, value) for value in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set(xlabel="WER (%)")
    _finish(figure, axes)


def _finish(figure: Figure, axes) -> None:
    axes.grid(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", fontsize=8)


def _alt_of_lines(found: ByProperty) -> str:
    first, last = (with_unit(found.breakdown, found.values[i]) for i in (0, -1))
    lines = [
        f"{system}: {percent(rates[found.values[0]][0])} % at {first}, "
        f"{percent(rates[found.values[-1]][0])} % at {last}"
        for system, rates in found.rates.items()
    ]
    return f"Line plot, {found.title}. {'; '.join(lines)}. All numbers are in the table below."


def _alt_of_rows(found: ByProperty) -> str:
    value = hardest(found)[0]
    rates = [f"{s} {percent(of_values[value][0])} %" for s, of_values in found.rates.items()]
    return (
        f"Dot plot, {found.title}. Highest on average: {with_unit(found.breakdown, value)} "
        f"({'; '.join(rates)}). All numbers are in the table below."
    )


def _number(value: float) -> Optional[float]:
    return None if np.isnan(value) else float(value)


def _wrapped(name: str) -> str:
    return textwrap.fill(name, 58)
