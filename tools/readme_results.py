# SPDX-License-Identifier: Apache-2.0
"""Bring the results in a Markdown file up to date with the results files that its markers name.

What stands between a marker and the next <!-- /results --> is replaced. File names are relative to
the Markdown file; a system is named in full, or by the tag that its name has in brackets. Two kinds
of markers:

<!-- results: scores FILE [--systems SYSTEM ...] [--sets SET ...] [--quality SET MEASURE ...] -->
    a table: the WER on each set, and means of speech quality on one of them
<!-- results: differences FILE --systems SYSTEM ... --against SYSTEM --sets SET ...
                          [--measures WER ...] -->  (on one line)
    a list: what the paired tests of systems against another one say
"""

import argparse
import re
import shlex
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn, Optional

from espnet_cbpc.scoring.report.finding import NAME, NO_BREAK, findings, title_of, where
from espnet_cbpc.scoring.report.results import Results, SetQuality, Test, read_results
from espnet_cbpc.scoring.report.table import Table
from espnet_cbpc.scoring.report.tables import means_of
from espnet_cbpc.scoring.report.wording import (
    origin_note,
    rate_of,
    title,
)
from espnet_cbpc.utils.cli import UserError, listed, run
from espnet_cbpc.utils.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = re.compile(r"<!-- results: (.*) -->"), "<!-- /results -->"
WIDTH = 100  # of lines of text


class MarkerParser(argparse.ArgumentParser):
    """A parser whose errors are messages."""

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise UserError(message)


def marker_parser() -> MarkerParser:
    """Return the parser of what a marker says."""
    parser = MarkerParser(add_help=False)
    kinds = parser.add_subparsers(dest="kind", required=True, parser_class=MarkerParser)
    scores = kinds.add_parser("scores", add_help=False)
    scores.add_argument("file")
    scores.add_argument("--systems", nargs="+")
    scores.add_argument("--sets", nargs="+")
    scores.add_argument("--quality", nargs="+", default=[])
    scores.set_defaults(make=score_table)
    differences = kinds.add_parser("differences", add_help=False)
    differences.add_argument("file")
    differences.add_argument("--systems", nargs="+", required=True)
    differences.add_argument("--against", required=True)
    differences.add_argument("--sets", nargs="+", required=True)
    differences.add_argument("--measures", nargs="+", default=["WER"])
    differences.set_defaults(make=difference_list)
    return parser


def updated(text: str, folder: Path) -> str:
    """Return a Markdown text with its results as the files have them.

    Args:
        text: with or without markers.
        folder: that file names in markers are relative to.

    Raises:
        UserError: a marker is malformed or has no end, or a results file lacks what it asks for.
    """
    made: list[str] = []
    within: Optional[str] = None  # the marker whose block these lines are
    for number, line in enumerate(text.split("\n"), 1):
        marker = BEGIN.fullmatch(line)
        if marker and within is None:
            within = line
            try:
                made += [line, block(marker[1], folder), END]
            except UserError as e:
                raise UserError(f"line {number}, {line}: {e}") from e
        elif marker or (line == END and within is None):
            raise UserError(f"line {number}, {line}: {END} and markers must take turns")
        elif line == END:
            within = None
        elif within is None:
            made.append(line)
    if within is not None:
        raise UserError(f"{within}: {END} is missing")
    return "\n".join(made)


def block(marker: str, folder: Path) -> str:
    """Return what belongs between a marker and its end."""
    options = marker_parser().parse_args(shlex.split(marker))
    return options.make(read_results(folder / options.file), options)


def score_table(report: Results, options: argparse.Namespace) -> str:
    """Return the table of scores, with a line on what it is made from."""
    systems = [named(report, name) for name in options.systems or report["systems"]]
    sets = [known(name, report["sets"]) for name in options.sets or report["sets"]]
    quality_set, *measures = options.quality or [None]
    quality = quality_on(report, quality_set, measures) if options.quality else {}
    rows = []
    for system in systems:
        rates = [rate_of(report["wer"][system][name]["total"]) for name in sets]
        means = quality[system]["total"] if system in quality else {}
        rows.append([title_of(system), *rates, *means_of(means, measures, True)])
    heads = [f"WER (%), {where(name).split(' ', 1)[1]}" for name in sets]
    table = Table("Scores", ["system", *heads, *map(title, measures)], rows)
    return f"{table.markdown()}\n\n{textwrap.fill(origin(report, quality_set), WIDTH)}"


def quality_on(report: Results, set_name: str, measures: Sequence[str]) -> dict[str, SetQuality]:
    """Return the systems' speech quality on a set, which must have the measures."""
    quality = report["quality"][known(set_name, report["quality"])]
    there = next(iter(quality.values()))["total"]
    missing = [measure for measure in measures if measure not in there]
    if missing:
        raise UserError(f"{set_name} has no {listed(missing)}; it has {listed(there, len(there))}")
    return quality


def origin(report: Results, quality_set: Optional[str]) -> str:
    """Return what a table's figures are of."""
    header = report["header"]
    parts = [
        f"{header['data']}; training seeds {', '.join(header['training seeds'].split())}; "
        f"{header['date']}, ESPnet {header['espnet']}, torch {header['torch']}.",
        f"Speech quality {where(quality_set)}." if quality_set else "",
        origin_note(report),
    ]
    return " ".join(filter(None, parts))


def difference_list(report: Results, options: argparse.Namespace) -> str:
    """Return an item for each system."""
    against, level = named(report, options.against), report["bootstrap"]["level"]
    items = [f"Compared with *{title_of(against)}*:", ""]
    for system in (named(report, name) for name in options.systems):
        by_measure = []
        for measure in options.measures:
            tests = [find_test(report, system, against, measure, name) for name in options.sets]
            by_measure += findings(tests, level)
        item = f"* *{title_of(system)}*: {'; '.join(by_measure)}."
        items.append(textwrap.fill(item, WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(items).replace(NO_BREAK, " ")


def find_test(report: Results, a: str, b: str, measure: str, set_name: str) -> Test:
    """Return the test of A against B."""
    wanted = {"a": a, "b": b, "measure": measure, "set": set_name}
    for test in report["tests"]:
        if wanted.items() <= test.items():
            return test
    raise UserError(f"no test of the {measure} of '{a}' against '{b}' on {set_name}")


def named(report: Results, name: str) -> str:
    """Return the system of that name or tag, of which there must be one."""
    systems = report["systems"]
    tags = {system: match["tag"] for system in systems if (match := NAME.fullmatch(system))}
    found = [system for system in systems if name in (system, tags.get(system))]
    if len(found) != 1:
        raise UserError(
            f"{len(found) or 'no'} systems {name}; there are {listed(systems, len(systems))}"
        )
    return found[0]


def known(name: str, names: Collection[str]) -> str:
    """Return the name of a set, which must be among those with results."""
    if name not in names:
        raise UserError(f"no results on {name}; there are some on {listed(names)}")
    return name


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    files = [ROOT / "README.md", *sorted(ROOT.glob("egs2/*/*/README.md"))]
    parser.add_argument("files", nargs="*", type=Path, default=files)
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    for path in get_parser().parse_args(cmd).files:
        try:
            text = updated(path.read_text(encoding="utf-8"), path.parent)
        except (OSError, UserError) as e:
            raise UserError(f"{path}: {e}") from e
        with atomic_write(path) as f:
            f.write(text)


if __name__ == "__main__":
    run(main)
