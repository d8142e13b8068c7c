"""The tables on top of the page: errors, paired tests, speech quality."""

from typing import Any, Dict, List, Optional, Sequence

from espnet_cbpc.html_report.decoded_set import property_name, with_unit
from espnet_cbpc.html_report.tables import MISSING, Table, percent, with_interval
from espnet_cbpc.scoring.markdown import DIGITS, NAMES

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
            row.append(_cell(entry["total"]))
        if any(entry["mean"] is not None for entry in entries):
            head.append(f"{name}, mean of {snrs} dB")
            for row, entry in zip(rows, entries):
                row.append(_cell(entry["mean"]))
    level = 100 * results["bootstrap"]["level"]
    return Table(f"WER (%), in brackets {level:.0f} % interval", head, rows)


def seed_table(results: Results) -> Optional[Table]:
    """Return the WER of each training seed; None where no system has several."""
    rows = []
    for system in results["systems"]:
        for name in results["sets"]:
            rates = results["wer"][system][name]["total"].get("seeds") or []
            rates = list(rates.values()) if isinstance(rates, dict) else rates
            if len(rates) > 1:
                rows.append([system, name, ", ".join(percent(rate) for rate in rates)])
    return (
        Table("WER (%) of each training seed", ["system", "set", "WER (%)"], rows, 2)
        if rows
        else None
    )


def paired_tests(results: Results) -> Optional[Table]:
    """Return the paired tests between systems; None where there are none."""
    rows = [
        [
            test["set"],
            test["measure"],
            test["a"],
            test["b"],
            _difference(test),
            MISSING if test.get("p") is None else f"{test['p']:.3g}",
        ]
        for test in results.get("tests") or []
    ]
    head = ["set", "measure", "A", "B", "difference A - B", "p"]
    return Table("Paired tests between systems", head, rows, 4) if rows else None


def quality_tables(results: Results) -> List[Table]:
    """Return a table of speech quality for each set that has references, over all its speech."""
    return [
        Table(f"{name}: mean of each measure", ["system", *_names(scores)], _rows(scores))
        for name, scores in results.get("quality", {}).items()
    ]


def quality_by_group(results: Results) -> List[Table]:
    """Return the same for each value of the breakdown, where there are several."""
    breakdown, tables = results["breakdown"], []
    for name, scores in results.get("quality", {}).items():
        groups = list(next(iter(scores.values()))["groups"])
        rows = [
            [with_unit(breakdown, value), *row] for value in groups for row in _rows(scores, value)
        ]
        head = [property_name(breakdown), "system", *_names(scores)]
        if len(groups) > 1:
            tables.append(Table(f"{name}: by {property_name(breakdown)}", head, rows, 2))
    return tables


def _difference(test: Results) -> str:
    """Of error rates in percent, of other measures as it is."""
    numbers = [test["difference"], *(test.get("interval") or [])]
    rate = test["measure"].lower() in ("wer", "cer")
    first, *ends = (percent(n) if rate else f"{n:.3f}" for n in numbers)
    return f"{first} [{', '.join(ends)}]" if ends else first


def _cell(errors: Any) -> str:
    """Of ``{rate, interval}``, or of a mean that is a bare number."""
    if isinstance(errors, dict):
        return with_interval(errors["rate"], errors.get("interval"))
    return percent(errors)


def _metrics(scores: Dict[str, Any]) -> Sequence[str]:
    return list(next(iter(scores.values()))["total"])


def _names(scores: Dict[str, Any]) -> List[str]:
    return [NAMES.get(metric, metric) for metric in _metrics(scores)]


def _rows(scores: Dict[str, Any], value: Optional[str] = None) -> List[List[str]]:
    rows = []
    for system, of_system in scores.items():
        means = of_system["total"] if value is None else of_system["groups"][value]
        rows.append([system, *(_mean(metric, means[metric]) for metric in _metrics(scores))])
    return rows


def _mean(metric: str, means: Dict[str, Any]) -> str:
    if means["mean"] is None:
        return MISSING
    digits = DIGITS.get(metric, 2)
    # adding 0 makes of -0.0 a 0.0
    value = f"{round(means['mean'], digits) + 0.0:.{digits}f}"
    return value + (f" ({means['undefined']} undefined)" if means["undefined"] else "")
