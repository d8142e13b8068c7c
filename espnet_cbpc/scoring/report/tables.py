# SPDX-License-Identifier: Apache-2.0
"""The tables of a report: errors, paired tests, speech quality."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Optional

from espnet_cbpc.scoring.quality.measures import MEASURES
from espnet_cbpc.scoring.report.results import Means, Results, Test, groups_by
from espnet_cbpc.scoring.report.table import Table
from espnet_cbpc.scoring.report.wording import (
    MISSING,
    difference,
    mean_of,
    p_equals,
    p_value,
    percent,
    percent_with_interval,
    property_name,
    rate_of,
    title,
    with_unit,
)

EXPLANATION = (
    "The system less the one it is tested against, with the interval, WER in points: below 0, the "
    "system has fewer errors. p: two-sided, not corrected for the number of comparisons. The tests "
    "of CER are in results.json."
)
COUNTS = ("sentences", "words", "correct", "substitutions", "deletions", "insertions")


def error_table(results: Results) -> Table:
    """Return WER and interval of each system on each set, and means over SNRs where there are."""
    snrs = ", ".join(f"{snr:g}" for snr in results["mean_over"])
    seeds = results["seeds"] if max(results["seeds"].values()) > 1 else {}
    head = ["system", *(["seeds"] if seeds else [])]
    rows = [[name, *([str(seeds[name])] if seeds else [])] for name in results["systems"]]
    for set_name in results["sets"]:
        errors = [results["wer"][system][set_name] for system in results["systems"]]
        columns = {set_name: [rate_of(found["total"]) for found in errors]}
        if any(found["mean"] is not None for found in errors):
            columns[f"{set_name}, mean of {snrs} dB"] = [
                percent_with_interval(found["mean"], found["mean_interval"]) for found in errors
            ]
        head += columns
        for row, *cells in zip(rows, *columns.values()):
            row += cells
    level = 100 * results["bootstrap"]["level"]
    return Table(f"WER (%), in brackets {level:.0f} % interval", head, rows)


def count_table(results: Results, rate: str) -> Table:
    """Return the counts that ``wer`` or ``cer`` of each system on each set is made from."""
    unit = {"wer": "words", "cer": "characters"}[rate]
    of_rate = results["wer"] if rate == "wer" else results["cer"]
    rows = []
    for system, of_sets in of_rate.items():
        for set_name, errors in of_sets.items():
            total: Mapping[str, object] = errors["total"]
            counts = [str(total[key]) for key in COUNTS]
            rows.append([system, set_name, *counts, percent(errors["total"]["rate"])])
    head = ["system", "set", "utterances", unit, "corr", "sub", "del", "ins", f"{rate.upper()} (%)"]
    return Table(f"{rate.upper()}: counts of {unit}", head, rows, 2)


def seed_table(results: Results) -> Optional[Table]:
    """Return the WER of each training seed; None where no system has several."""
    rows = [
        [system, name, *map(percent, results["wer"][system][name]["total"]["seeds"])]
        for system, count in results["seeds"].items()
        for name in results["sets"]
        if count > 1
    ]
    most = max(results["seeds"].values())
    padded = [[*row, *[MISSING] * (2 + most - len(row))] for row in rows]
    head = ["system", "set", *(f"run {i + 1}" for i in range(most))]
    return Table("WER (%) of each training seed", head, padded, 2) if rows else None


def baselines(results: Results) -> list[str]:
    """Return the systems that others are tested against."""
    return list(dict.fromkeys(test["b"] for test in results["tests"]))


def wer_tests(results: Results, baseline: str) -> Optional[Table]:
    """Return the tests of the WER against a baseline, system by set; None where there are none."""
    tests = [t for t in results["tests"] if t["b"] == baseline and t["measure"] == "WER"]
    return _test_table("WER (in points)", "WER: system", tests, "set")


def quality_tests(results: Results, baseline: str) -> list[Table]:
    """Return the tests of speech quality against a baseline: for each set, system by measure."""
    tables = []
    for name in results["quality"]:
        tests = [
            test
            for test in results["tests"]
            if (test["b"], test["set"]) == (baseline, name) and test["measure"] in MEASURES
        ]
        tables.append(_test_table(name, f"{name}: system", tests, "measure"))
    return [table for table in tables if table]


def quality_totals(results: Results, set_name: str) -> Table:
    """Return the speech quality of each system over all speech of a set that has references."""
    quality = results["quality"][set_name]
    rows = [
        [system, *means_of(found["total"], found["total"], True)]
        for system, found in quality.items()
    ]
    head = ["system", *map(title, next(iter(quality.values()))["total"])]
    return Table(f"Speech quality: {set_name}, in brackets the interval of the mean", head, rows)


def quality_by_group(results: Results, set_name: str, breakdown: str) -> Table:
    """Return the same for each value of a breakdown; that by the first ends with the totals."""
    quality, totals = results["quality"][set_name], quality_totals(results, set_name)
    groups = {name: groups_by(results, found, breakdown) for name, found in quality.items()}
    rows = [
        [with_unit(breakdown, value), system, *means_of(of_values[value], of_values[value])]
        for value in next(iter(groups.values()))
        for system, of_values in groups.items()
    ]
    if breakdown == results["breakdown"]:
        rows += [["all", *row] for row in totals.rows]
    name = property_name(breakdown)
    return Table(f"Speech quality: {set_name} by {name}", [name, *totals.head], rows, 2)


def system_table(results: Results, system: str) -> Table:
    """Return one system's scores, set by set."""
    quality = {name: by[system]["total"] for name, by in results["quality"].items() if system in by}
    metrics = [metric for metric in MEASURES if any(metric in means for means in quality.values())]
    rows = []
    for name in results["sets"]:
        total, means = results["wer"][system][name]["total"], quality.get(name, {})
        rows.append([name, str(total["sentences"]), rate_of(total), *means_of(means, metrics)])
    head = ["set", "utterances", "WER (%) [95 % interval]", *map(title, metrics)]
    return Table(f"Scores of {system}", head, rows)


def means_of(means: Means, measures: Iterable[str], interval: bool = False) -> list[str]:
    """Return the cells of some measures, a dash for one that is missing."""
    return [mean_of(m, means[m], interval) if m in means else MISSING for m in measures]


def _test_table(
    what: str, corner: str, tests: Sequence[Test], column: Literal["set", "measure"]
) -> Optional[Table]:
    keys = list(dict.fromkeys(test[column] for test in tests))
    cells = {(test["a"], test[column]): _test_cell(test) for test in tests}
    systems = dict.fromkeys(test["a"] for test in tests)
    rows = [[name, *(cells.get((name, key), MISSING) for key in keys)] for name in systems]
    head = [corner, *map(title, keys)]
    return Table(f"Against {tests[0]['b']}: {what}", head, rows) if tests else None


def _test_cell(test: Test) -> str:
    matched = test["p_matched_pairs"]
    cell = f"{difference(test)}, {p_equals(test['p'])}"
    return cell + (f" (matched pairs {p_value(matched)})" if matched is not None else "")
