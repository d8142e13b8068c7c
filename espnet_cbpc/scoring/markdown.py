"""The tables of a report, in Markdown."""

from typing import Any, Dict, Iterable, List, Optional, Sequence

from espnet_cbpc.scoring.groups import lowest
from espnet_cbpc.scoring.measures import MEASURES

MISSING = "–"
Report = Dict[str, Any]
TESTS = (
    "Difference: the first system less the second, with the interval, WER and CER in points. p: "
    "two-sided, not corrected for the number of comparisons."
)


def render(report: Report) -> str:
    """Return the report as Markdown.

    Args:
        report: the structure of ``results.json``, see
            :func:`espnet_cbpc.scoring.report.write_report`.
    """
    parts = ["# Results", _header(report), "## WER (%)", _summary(report)]
    for set_name in report["sets"]:
        for table in report["breakdowns"]:
            if _groups(report, report["wer"][report["systems"][0]][set_name], table):
                parts += [
                    f"### {set_name}: WER (%) by {_property(table)}",
                    _by_group(report, set_name, table),
                ]
    parts.append(_note(report))
    if report["tests"]:
        parts += ["## Paired tests", _tests(report), TESTS]
    for kind, unit in (("wer", "words"), ("cer", "characters")):
        parts += [f"## {kind.upper()}: counts of {unit}", _counts(report, kind, unit)]
    for set_name, quality in report["quality"].items():
        parts += [f"## Speech quality: {set_name}"]
        parts += [_quality(report, quality, report["breakdowns"][0], with_total=True)]
        for table in report["breakdowns"][1:]:
            if _groups(report, next(iter(quality.values())), table):
                parts += [
                    f"### Speech quality: {set_name} by {_property(table)}",
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
        scores = [_mean(m, means[m]) if m in means else MISSING for m in metrics]
        rows.append([set_name, str(total["sentences"]), _with_interval(total), *scores])
    head = ["set", "utterances", "WER (%) [95 % interval]"]
    return _table([*head, *(MEASURES[metric].title for metric in metrics)], rows)


def _property(table: str) -> str:
    return "SNR" if table == "utt2snr" else table[4:] if table.startswith("utt2") else table


def _group_name(table: str, value: str) -> str:
    return f"{value} dB" if table == "utt2snr" and lowest(value) is not None else value


def _groups(report: Report, result: Dict[str, Any], table: str) -> Dict[str, Any]:
    """Return a result's groups by one of the breakdown tables."""
    if table == report["breakdowns"][0]:
        return result["groups"]
    return result.get("further", {}).get(table, {})


def _header(report: Report) -> str:
    return "\n".join(f"* {key}: {value}" for key, value in report["header"].items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table whose first ``texts`` columns are left-aligned, the others right-aligned."""
    rule = [":--" if column < texts else "--:" for column in range(len(head))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _rate(rate: Optional[float]) -> str:
    return MISSING if rate is None else f"{100 * rate:.1f}"


def _with_interval(errors: Optional[Dict[str, Any]]) -> str:
    return MISSING if errors is None else _rate_in(errors["rate"], errors["interval"])


def _rate_in(rate: Optional[float], interval: Sequence[Optional[float]]) -> str:
    return _rate(rate) + _interval(interval, lambda end: f"{100 * end:.1f}")


def _interval(interval: Sequence[Optional[float]], show: Any) -> str:
    low, high = interval
    return "" if low is None or high is None else f" [{show(low)}, {show(high)}]"


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
                row.append(_rate_in(result["mean"], result["mean_interval"]))
    return _table(head, rows.values())


def _by_group(report: Report, set_name: str, table: str) -> str:
    results = {system: report["wer"][system][set_name] for system in report["systems"]}
    values = list(_groups(report, results[report["systems"][0]], table))
    rows = [
        [system, *(_with_interval(_groups(report, result, table)[v]) for v in values)]
        + [_with_interval(result["total"])]
        for system, result in results.items()
    ]
    return _table(["system", *(_group_name(table, v) for v in values), "all"], rows)


def _note(report: Report) -> str:
    boot = report["bootstrap"]
    block = boot["block"]
    unit = f"blocks of utterances ({block})" if block else "utterances"
    note = f"In brackets: {100 * boot['level']:.0f} % interval, "
    parts = []
    if any(count == 1 for count in report["seeds"].values()):
        parts.append(f"bootstrap over {unit} ({boot['resamples']} resamples, seed {boot['seed']})")
    if any(count > 1 for count in report["seeds"].values()):
        parts.append(f"of systems of several seeds over seeds and {unit}")
    return note + ("; " if len(parts) > 1 else "").join(parts) + "."


def _tests(report: Report) -> str:
    head = ["set", "measure", "system", "against", "difference", "p", "p, matched pairs"]
    rows = []
    for test in report["tests"]:
        if test["measure"] in ("WER", "CER"):
            cell = _rate_in(test["difference"], test["interval"])
        else:
            digits = MEASURES[test["measure"]].digits
            cell = _signed(test["difference"], digits)
            cell += _interval(test["interval"], lambda end, d=digits: _signed(end, d))
        p_values = (_p(test["p"]), _p(test["p_matched_pairs"]))
        rows.append([test["set"], _title(test["measure"]), test["a"], test["b"], cell, *p_values])
    return _table(head, rows, texts=4)


def _title(measure: str) -> str:
    return MEASURES[measure].title if measure in MEASURES else measure


def _p(p: Optional[float]) -> str:
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _counts(report: Report, kind: str, unit: str) -> str:
    keys = ("words", "correct", "substitutions", "deletions", "insertions")
    head = ["system", "set", "utterances", unit, "corr", "sub", "del", "ins"]
    rows: List[List[str]] = []
    for system in report["systems"]:
        for set_name in report["sets"]:
            total = report[kind][system][set_name]["total"]
            counts = [str(total[key]) for key in ("sentences", *keys)]
            rows.append([system, set_name, *counts, _rate(total["rate"])])
    return _table([*head, f"{kind.upper()} (%)"], rows, texts=2)


def _quality(report: Report, quality: Dict[str, Any], table: str, with_total: bool) -> str:
    first = next(iter(quality.values()))
    metrics = list(first["total"])
    rows = []
    for value in _groups(report, first, table):
        for system, result in quality.items():
            means = _groups(report, result, table)[value]
            cells = (_mean(metric, means[metric]) for metric in metrics)
            rows.append([_group_name(table, value), system, *cells])
    for system, result in quality.items() if with_total else ():
        means = result["total"]
        cells = (_mean(m, means[m], means[m]["interval"]) for m in metrics)
        rows.append(["all", system, *cells])
    head = [_property(table), "system", *(MEASURES[metric].title for metric in metrics)]
    return _table(head, rows, texts=2)


def _mean(
    metric: str, mean: Dict[str, Any], interval: Sequence[Optional[float]] = (None, None)
) -> str:
    digits = MEASURES[metric].digits
    value = MISSING if mean["mean"] is None else _signed(mean["mean"], digits)
    value += _interval(interval, lambda end: _signed(end, digits))
    return value + (f" ({mean['undefined']} undefined)" if mean["undefined"] else "")


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 makes of -0.0 a 0.0
