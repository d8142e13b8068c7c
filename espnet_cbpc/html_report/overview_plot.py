# SPDX-License-Identifier: Apache-2.0
"""The plot that a report opens with: WER of every system on every set, with intervals."""

import textwrap

from matplotlib.figure import Figure

from espnet_cbpc.html_report.figures import Picture, draw, look, per_cent
from espnet_cbpc.scoring.report.finding import title_of, where
from espnet_cbpc.scoring.report.results import Results
from espnet_cbpc.scoring.report.wording import percent

NAME_WIDTH = 30  # characters in a line of a system's name
LINE, SET = 0.13, 0.11  # inches: a line of a name, a point in a row


def plot(results: Results) -> Picture:
    """Draw a row for each system, in the order of the tables, with a point for each set."""
    names = [textwrap.fill(title_of(system), NAME_WIDTH) for system in results["systems"]]
    lines = max(name.count("\n") + 1 for name in names)
    row = max(LINE * lines, SET * len(results["sets"])) + 0.06
    height = 0.75 + row * len(names) + 0.17 * len(results["sets"])
    return draw(lambda figure: _paint(figure, results, names), _alt(results), height=height)


def _paint(figure: Figure, results: Results, names: list[str]) -> None:
    axes, count = figure.add_subplot(), len(results["sets"])
    for i, set_name in enumerate(results["sets"]):
        places = [n + 0.7 * ((i + 0.5) / count - 0.5) for n in range(len(names))]
        found = [results["wer"][system][set_name]["total"] for system in results["systems"]]
        style = {**look(i), "linestyle": "none"}
        rates = [per_cent(errors["rate"]) for errors in found]
        axes.plot(rates, places, label=where(set_name), markersize=4.5, **style)
        for place, errors in zip(places, found):
            ends = [per_cent(end) for end in errors["interval"]]
            axes.plot(ends, [place] * 2, color=style["color"], linewidth=1.4, alpha=0.6)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set(xlabel="WER (%)")
    axes.grid(True, axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", fontsize=8)


def _alt(results: Results) -> str:
    last = results["sets"][-1]
    rates = [
        f"{system} {percent(results['wer'][system][last]['total']['rate'])} %"
        for system in results["systems"]
    ]
    return f"Dot plot, WER with intervals. {where(last)}: {'; '.join(rates)}. All are in the table."
