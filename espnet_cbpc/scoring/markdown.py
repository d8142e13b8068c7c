"""The tables of a report, in Markdown."""

from typing import Any, Dict, Iterable, List, Optional, Sequence

from espnet_cbpc.scoring.groups import number

DIGITS = {"PESQ_NB": 2, "PESQ_WB": 2, "STOI": 3, "ESTOI": 3, "SI_SDR": 2}
NAMES = {
    "PESQ_NB": "PESQ (narrow band)",
    "PESQ_WB": "PESQ (wide band)",
    "SI_SDR": "SI-SDR (dB)",
}
MISSING = "–"
Report = Dict[str, Any]


def render(report: Report) -> str:
    """Return the report as Markdown.

    Args:
        report: the structure of ``results.json``, see
            :func:`espnet_cbpc.scoring.report.write_report`.
    """
    parts = ["# Results", _header(report), "## WER (%)", _summary(report)]
    for set_name in report["sets"]:
        if report["wer"][report["systems"][0]][set_name]["groups"]:
            parts += [
                f"### {set_name}: WER (%) by {_property(report)}",
                _by_group(report, set_name),
            ]
    boot = report["bootstrap"]
    parts.append(
        f"In brackets: {100 * boot['level']:.0f} % interval, bootstrap over utterances "
        f"({boot['resamples']} resamples, seed {boot['seed']})."
    )
    for kind, unit in (("wer", "words"), ("cer", "characters")):
        parts += [f"## {kind.upper()}: counts of {unit}", _counts(report, kind, unit)]
    for set_name, quality in report["quality"].items():
        parts += [f"## Speech quality: {set_name}", _quality(report, quality)]
    return "\n\n".join(parts) + "\n"


def system_scores(report: Report, system: str) -> str:
    """Return the table of one system's scores, set by set.

    Args:
        report: as of :func:`render`.
        system: one of ``report["systems"]``.
    """
    scored = [quality[system]["total"] for quality in report["quality"].values() if system in quality]
    metrics = [metric for metric in DIGITS if any(metric in means for means in scored)]
    rows = []
    for set_name in report["sets"]:
        total = report["wer"][system][set_name]["total"]
        means = report["quality"].get(set_name, {}).get(system, {}).get("total", {})
        scores = [_mean(m, means[m]) if m in means else MISSING for m in metrics]
        rows.append([set_name, str(total["sentences"]), _with_interval(total), *scores])
    head = ["set", "utterances", "WER (%) [95 % interval]"]
    return _table([*head, *(NAMES.get(metric, metric) for metric in metrics)], rows)


def _property(report: Report) -> str:
    name = report["breakdown"]
    return "SNR" if name == "utt2snr" else name[4:] if name.startswith("utt2") else name


def _group_name(report: Report, value: str) -> str:
    return f"{value} dB" if _property(report) == "SNR" and number(value) is not None else value


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
    if errors is None:
        return MISSING
    low, high = errors["interval"]
    return f"{_rate(errors['rate'])} [{_rate(low)}, {_rate(high)}]"


def _summary(report: Report) -> str:
    wer, sets = report["wer"], report["sets"]
    first = wer[report["systems"][0]]
    averaged = {set_name for set_name in sets if first[set_name]["mean"] is not None}
    mean = f"mean of {', '.join(f'{snr:g}' for snr in report['mean_over'])} dB"
    head, rows = ["system"], {system: [system] for system in report["systems"]}
    for set_name in sets:
        head += [set_name] + [f"{set_name}, {mean}"] * (set_name in averaged)
        for system, row in rows.items():
            row.append(_rate(wer[system][set_name]["total"]["rate"]))
            if set_name in averaged:
                row.append(_rate(wer[system][set_name]["mean"]))
    return _table(head, rows.values())


def _by_group(report: Report, set_name: str) -> str:
    results = {system: report["wer"][system][set_name] for system in report["systems"]}
    values = list(results[report["systems"][0]]["groups"])
    rows = [
        [system, *(_with_interval(result["groups"][v]) for v in values)]
        + [_with_interval(result["total"])]
        for system, result in results.items()
    ]
    return _table(["system", *(_group_name(report, v) for v in values), "all"], rows)


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


def _quality(report: Report, quality: Dict[str, Any]) -> str:
    first = next(iter(quality.values()))
    metrics = list(first["total"])
    rows = []
    for value in [*first["groups"], None]:
        name = "all" if value is None else _group_name(report, value)
        for system, result in quality.items():
            means = result["total"] if value is None else result["groups"][value]
            rows.append([name, system, *(_mean(metric, means[metric]) for metric in metrics)])
    head = [_property(report), "system", *(NAMES.get(metric, metric) for metric in metrics)]
    return _table(head, rows, texts=2)


def _mean(metric: str, mean: Dict[str, Any]) -> str:
    digits = DIGITS[metric]
    # adding 0 makes of -0.0 a 0.0
    value = MISSING if mean["mean"] is None else f"{round(mean['mean'], digits) + 0.0:.{digits}f}"
    return value + (f" ({mean['undefined']} undefined)" if mean["undefined"] else "")
