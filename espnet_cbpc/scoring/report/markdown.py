# SPDX-License-Identifier: Apache-2.0
"""A report in Markdown."""

from pathlib import Path
from typing import Optional, Union

from espnet_cbpc.scoring.report import tables
from espnet_cbpc.scoring.report.by_property import from_results
from espnet_cbpc.scoring.report.finding import opening
from espnet_cbpc.scoring.report.results import Results, read_results
from espnet_cbpc.scoring.report.wording import origin_note, text_note


def render(results: Results) -> str:
    """Return a report as Markdown."""
    header = "\n".join(f"* {key}: {value}" for key, value in results["header"].items())
    parts = ["# Results", header, *opening(results)]
    parts += ["## WER (%)", tables.error_table(results).markdown()]
    parts += [*_by_property(results), origin_note(results)]
    if results["tests"]:
        parts += ["## Paired tests", tables.EXPLANATION, *_tests(results)]
    for counts in (tables.count_table(results, rate) for rate in ("wer", "cer")):
        parts += [f"## {counts.caption}", counts.markdown()]
    for set_name in results["quality"]:
        parts += _quality(results, set_name)
    return "\n\n".join(parts) + "\n"


def system_scores(results: Results, system: str) -> str:
    """Return the table of one system's scores, set by set."""
    return tables.system_table(results, system).markdown()


def read_scores(results: Union[str, Path], system: Optional[str]) -> str:
    """Return the table of one system's scores.

    Args:
        results: ``results.json`` of a report.
        system: name of the system in it; None: the last.

    Raises:
        UserError: no such file, not a report, or no such system in it.
    """
    found = read_results(results, [] if system is None else [system])
    where = ", ".join(f"{key}: {value}" for key, value in found["header"].items())
    parts = [system_scores(found, system or found["systems"][-1]), where, *text_note(found)]
    return "\n\n".join(parts)


def _by_property(results: Results) -> list[str]:
    split = [
        from_results(results, results["systems"], set_name, breakdown)
        for set_name in results["sets"]
        for breakdown in results["breakdowns"]
    ]
    split = [found for found in split if found.values]
    return [part for found in split for part in (f"### {found.title}", found.table().markdown())]


def _tests(results: Results) -> list[str]:
    parts = []
    for baseline in tables.baselines(results):
        found = [tables.wer_tests(results, baseline), *tables.quality_tests(results, baseline)]
        parts += [f"### Against {baseline}"] + [table.markdown() for table in found if table]
    return parts


def _quality(results: Results, set_name: str) -> list[str]:
    parts = []
    for i, breakdown in enumerate(results["breakdowns"]):
        table = tables.quality_by_group(results, set_name, breakdown)
        title = f"### {table.caption}" if i else f"## Speech quality: {set_name}"
        parts += [title, table.markdown()] if table.rows else []
    return parts
