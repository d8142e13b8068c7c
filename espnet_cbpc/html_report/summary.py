"""The tables on top of the page: errors, paired tests, speech quality."""

from typing import Any, Dict, List, Mapping, Optional

from espnet_cbpc.html_report.tables import Table
from espnet_cbpc.scoring.report.paired_tables import paired_tables
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

Results = Dict[str, Any]


def error_table(results: Results) -> Table:
    """Return WER and interval of each system on each set, and means over SNRs where there are."""
    systems, wer = results["systems"], results["wer"]
    snrs = ", ".join(f"{snr:g}" for snr in results["mean_over"])
    head, rows = ["system"], [[system] for system in systems]
    for name in results["sets"]:
        entries = [wer[system][name] for system in systems]
        head.append(name)
        for row, entry in zip(rows, entries):
            row.append(percent_with_interval(entry["total"]["rate"], entry["total"]["interval"]))
        if any(entry["mean"] is not None for entry in entries):
            head.append(f"{name}, mean of {snrs} dB")
            for row, entry in zip(rows, entries):
                row.append(percent_with_interval(entry["mean"], entry["mean_interval"]))
    level = 100 * results["bootstrap"]["level"]
    return Table(f"WER (%), in brackets {level:.0f} % interval", head, rows)


def how_intervals_are_made(results: Results) -> str:
    """Return a sentence."""
    return f"Intervals: {origin_of_intervals(results)}."


def seed_table(results: Results) -> Optional[Table]:
    """Return the WER of each training seed; None where no system has several."""
    rows = [
        [system, name, *(percent(rate) for rate in results["wer"][system][name]["total"]["seeds"])]
        for system, count in results["seeds"].items()
        for name in results["sets"]
        if count > 1
    ]
    most = max(map(len, rows), default=2)
    padded = [[*row, *[MISSING] * (most - len(row))] for row in rows]
    head = ["system", "set", *(f"run {i + 1}" for i in range(most - 2))]
    return Table("WER (%) of each training seed", head, padded, 2) if rows else None


def paired_tests(results: Results, of_wer: bool) -> List[Table]:
    """Return the paired tests by WER, or by speech quality: a table for each baseline (and set)."""
    return [
        Table(
            f"Against {found.baseline}: {'WER (in points)' if of_wer else found.what}",
            ["system", *found.columns],
            found.rows,
        )
        for found in paired_tables(results)
        if found.of_wer == of_wer
    ]


def quality_tables(results: Results) -> List[Table]:
    """Return a table of speech quality for each set that has references, over all its speech."""
    return [
        Table(
            f"{name}: mean of each measure, in brackets its interval",
            ["system", *_names(scores)],
            [[system, *_means(of_system["total"])] for system, of_system in scores.items()],
        )
        for name, scores in results["quality"].items()
    ]


def quality_by_group(results: Results) -> List[Table]:
    """Return the same for each value of the first breakdown, where there are several."""
    breakdown, tables = results["breakdown"], []
    for name, scores in results["quality"].items():
        groups = list(next(iter(scores.values()))["groups"])
        rows = [
            [with_unit(breakdown, value), system, *_means(of_system["groups"][value], False)]
            for value in groups
            for system, of_system in scores.items()
        ]
        head = [property_name(breakdown), "system", *_names(scores)]
        if len(groups) > 1:
            tables.append(Table(f"{name}: by {property_name(breakdown)}", head, rows, 2))
    return tables


def _names(scores: Mapping[str, Any]) -> List[str]:
    return [title(measure) for measure in next(iter(scores.values()))["total"]]


def _means(means: Mapping[str, Any], intervals: bool = True) -> List[str]:
    """Return the cells of all measures."""
    return [mean_of(measure, mean, intervals) for measure, mean in means.items()]
