# SPDX-License-Identifier: Apache-2.0
"""Draw the word error rates of systems on one set, with their intervals, as an SVG image.

The image follows the reader's light or dark colours, and is the same to the byte wherever it is
made. A system is named in full, or by the tag that its name has in brackets.
"""

import argparse
import math
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple, Optional

from readme_results import known, named, origin, title_of, where

from espnet_cbpc.scoring.report.results import Results, read_results
from espnet_cbpc.utils.cli import UserError, run
from espnet_cbpc.utils.files import atomic_write

WIDTH, LEFT, RIGHT = 860, 440, 60  # pixels: of all, of the names, of the figures
TOP, ROW, NOTE = 56, 26, 16
CHARACTERS = 120  # in a line of the note
STYLE = (
    "text{font:14px sans-serif;fill:#1b1f24}.note{font-size:12px}.grid{stroke:#1b1f24;"
    "stroke-opacity:.15}.bar{stroke:#0072b2;stroke-width:2}circle{fill:#0072b2}.last{font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e8eb}.grid{stroke:#e6e8eb}"
    ".bar{stroke:#56b4e9}circle{fill:#56b4e9}}"
)


class Row(NamedTuple):
    """A system: its title, WER in percent, and the interval's ends."""

    title: str
    rate: float
    low: float
    high: float


def rows_of(report: Results, systems: Sequence[str], set_name: str) -> list[Row]:
    """Return the row of each system.

    Raises:
        UserError: a system or set is unknown, or has no interval.
    """
    rows = []
    for system in (named(report, name) for name in systems):
        total = report["wer"][system][known(set_name, report["sets"])]["total"]
        values = [total["rate"], *total["interval"]]
        if None in values:
            raise UserError(f"{system} has no WER with an interval on {set_name}")
        rows.append(Row(title_of(system), *(100 * value for value in values)))
    return rows


def step_of(highest: float) -> float:
    """Return the distance of 4 to 10 grid lines: 1, 2 or 5 times a power of 10."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return max(size * power for size in (1, 2, 5) if size * power <= highest / 4)


def figure(rows: Sequence[Row], head: str, note: str) -> str:
    """Return the SVG: a row for each system, the last one in bold, on an axis from 0."""
    step = step_of(max(row.high for row in rows))
    end = step * math.ceil(max(row.high for row in rows) / step)
    bottom = TOP + ROW * len(rows)
    lines = textwrap.wrap(note, CHARACTERS)
    height = bottom + 30 + NOTE * len(lines)

    def x(value: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * value / end:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img">',
        f"<title>{escape(head)}</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="20">{escape(head)}</text>',
    ]
    for tick in range(round(end / step) + 1):
        at, label = x(tick * step), f"{tick * step:g}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP - 8}" y2="{bottom}"/>')
        parts.append(
            f'<text class="note" x="{at}" y="{TOP - 14}" text-anchor="middle">{label}</text>'
        )
    for place, row in enumerate(rows):
        y, kind = TOP + ROW * place + ROW // 2, ' class="last"' if row is rows[-1] else ""
        parts += [
            f'<text{kind} x="{LEFT - 12}" y="{y + 5}" text-anchor="end">{escape(row.title)}</text>',
            f'<line class="bar" x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}"/>',
            f'<circle cx="{x(row.rate)}" cy="{y}" r="5"/>',
            f'<text{kind} x="{WIDTH - RIGHT + 12}" y="{y + 5}">{row.rate:.1f}</text>',
        ]
    for place, line in enumerate(lines):
        y = bottom + 24 + NOTE * place
        parts.append(f'<text class="note" x="8" y="{y}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="a results.json")
    parser.add_argument("--systems", nargs="+", required=True, help="from top to bottom")
    parser.add_argument("--set", required=True, help="test set")
    parser.add_argument("--output", type=Path, required=True, help="SVG file to write")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    report = read_results(args.results)
    rows = rows_of(report, args.systems, args.set)
    note = origin(report, None).replace("In brackets", "Lines")
    with atomic_write(args.output) as f:
        f.write(figure(rows, f"WER (%) {where(args.set)}", note))


if __name__ == "__main__":
    run(main)
