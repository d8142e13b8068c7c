"""The tables of a report, in Markdown."""

from typing import Any, Dict, Iterable, List, Optional, Sequence

from espnet_cbpc.scoring.quality.measures import MEASURES
from espnet_cbpc.scoring.report.paired_tables import EXPLANATION, paired_tables
from espnet_cbpc.scoring.report.wording import (
    MISSING,
    mean_of,
    origin_of_intervals,
    percent,
    percent_with_interval,
    property_name,
    title,
    with_unit,
)

Report = Dict[str, Any]


def render(report: Report) -> str:
    """Return the report as Markdown.

    Args:
        report: the structure of ``results.json``, see
            :func:`espnet_cbpc.scoring.report.gather.write_report`.
    """
    parts = ["# Results", _header(report), "## WER (%)", _summary(report)]
    for set_name in report["sets"]:
        for table in report["breakdowns"]:
            if _groups(report, report["wer"][report["systems"][0]][set_name], table):
                parts += [
                    f"### {set_name}: WER (%) by {property_name(table)}",
                    _by_group(report, set_name, table),
                ]
    parts.append(origin_note(report))
    if report["tests"]:
        parts += ["## Paired tests", EXPLANATION, *_tests(report)]
    for kind, unit in (("wer", "words"), ("cer", "characters")):
        parts += [f"## {kind.upper()}: counts of {unit}", _counts(report, kind, unit)]
    for set_name, quality in report["quality"].items():
        parts += [f"## Speech quality: {set_name}"]
        parts += [_quality(report, quality, report["breakdowns"][0], with_total=True)]
        for table in report["breakdowns"][1:]:
            if _groups(report, next(iter(quality.values())), table):
                parts += [
                    f"### Speech quality: {set_name} by {property_name(table)}",
                    _quality(report, quality, table, with_total=False),
                ]
    return "\n\n".join(parts) + "\n"


def system_scores(report: Report, system: str) -> str:
    """Return the table of one system's scores, set by set.

    Args:
        report: as of :func:`render`.
        system: one of ``report["systems"]``.
    """
    scored = [by[system]["total"] for by in report["quality"].values() if system in by]
    metrics = [metric for metric in MEASURES if any(metric in means for means in scored)]
    rows = []
    for set_name in report["sets"]:
        total = report["wer"][system][set_name]["total"]
        means = report["quality"].get(set_name, {}).get(system, {}).get("total", {})
        scores = [mean_of(m, means[m], False) if m in means else MISSING for m in metrics]
        rows.append([set_name, str(total["sentences"]), _with_interval(total), *scores])
    head = ["set", "utterances", "WER (%) [95 % interval]"]
    return markdown_table([*head, *(title(metric) for metric in metrics)], rows)


def _groups(report: Report, result: Dict[str, Any], table: str) -> Dict[str, Any]:
    """Return a result's groups by one of the breakdown tables."""
    if table == report["breakdowns"][0]:
        return result["groups"]
    return result.get("further", {}).get(table, {})


def _header(report: Report) -> str:
    return "\n".join(f"* {key}: {value}" for key, value in report["header"].items())


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table whose first ``texts`` columns are left-aligned, the others right-aligned."""
    rule = [":--" if column < texts else "--:" for column in range(len(head))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _with_interval(errors: Optional[Dict[str, Any]]) -> str:
    if errors is None:
        return MISSING
    return percent_with_interval(errors["rate"], errors["interval"])


def _summary(report: Report) -> str:
    wer, sets = report["wer"], report["sets"]
    first = wer[report["systems"][0]]
    averaged = {set_name for set_name in sets if first[set_name]["mean"] is not None}
    mean = f"mean of {', '.join(f'{snr:g}' for snr in report['mean_over'])} dB"
    seeds = any(count > 1 for count in report["seeds"].values())
    head, rows = ["system"] + ["seeds"] * seeds, {}
    for system in report["systems"]:
        rows[system] = [system] + [str(report["seeds"][system])] * seeds
    for set_name in sets:
        head += [set_name] + [f"{set_name}, {mean}"] * (set_name in averaged)
        for system, row in rows.items():
            result = wer[system][set_name]
            row.append(_with_interval(result["total"]))
            if set_name in averaged:
                row.append(percent_with_interval(result["mean"], result["mean_interval"]))
    return markdown_table(head, rows.values())


def _by_group(report: Report, set_name: str, table: str) -> str:
    results = {system: report["wer"][system][set_name] for system in report["systems"]}
    values = list(_groups(report, results[report["systems"][0]], table))
    rows = [
        [system, *(_with_interval(_groups(report, result, table)[v]) for v in values)]
        + [_with_interval(result["total"])]
        for system, result in results.items()
    ]
    return markdown_table(["system", *(with_unit(table, v) for v in values), "all"], rows)


def origin_note(report: Report) -> str:
    """Return the sentence that says what stands in brackets, and what it was made by."""
    level = 100 * report["bootstrap"]["level"]
    return f"In brackets: {level:.0f} % interval, {origin_of_intervals(report)}."


def _tests(report: Report) -> List[str]:
    """Return the tables of paired tests, with a heading for each baseline."""
    parts: List[str] = []
    for table in paired_tables(report):
        heading = f"### Against {table.baseline}"
        if heading not in parts:
            parts.append(heading)
        parts.append(markdown_table([f"{table.what}: system", *table.columns], table.rows))
    return parts


def _counts(report: Report, kind: str, unit: str) -> str:
    keys = ("words", "correct", "substitutions", "deletions", "insertions")
    head = ["system", "set", "utterances", unit, "corr", "sub", "del", "ins"]
    rows: List[List[str]] = []
    for system in report["systems"]:
        for set_name in report["sets"]:
            total = report[kind][system][set_name]["total"]
            counts = [str(total[key]) for key in ("sentences", *keys)]
            rows.append([system, set_name, *counts, percent(total["rate"])])
    return markdown_table([*head, f"{kind.upper()} (%)"], rows, texts=2)


def _quality(report: Report, quality: Dict[str, Any], table: str, with_total: bool) -> str:
    first = next(iter(quality.values()))
    metrics = list(first["total"])
    rows = []
    for value in _groups(report, first, table):
        for system, result in quality.items():
            means = _groups(report, result, table)[value]
            cells = (mean_of(metric, means[metric], False) for metric in metrics)
            rows.append([with_unit(table, value), system, *cells])
    for system, result in quality.items() if with_total else ():
        means = result["total"]
        cells = (mean_of(m, means[m], True) for m in metrics)
        rows.append(["all", system, *cells])
    head = [property_name(table), "system", *(title(metric) for metric in metrics)]
    return markdown_table(head, rows, texts=2)
