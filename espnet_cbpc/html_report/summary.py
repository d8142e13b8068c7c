"""The tables on top of the page: errors, paired tests, speech quality."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from espnet_cbpc.html_report.decoded_set import property_name, with_unit
from espnet_cbpc.html_report.tables import MISSING, Table, percent, with_interval
from espnet_cbpc.scoring.measures import MEASURES

Results = Dict[str, Any]
RATES = ("WER", "CER")  # measures that are shown in percent


def error_table(results: Results) -> Table:
    """Return WER and interval of each system on each set, and means over SNRs where there are."""
    systems, wer = results["systems"], results["wer"]
    snrs = ", ".join(f"{snr:g}" for snr in results["mean_over"])
    head, rows = ["system"], [[system] for system in systems]
    for name in results["sets"]:
        entries = [wer[system][name] for system in systems]
        head.append(name)
        for row, entry in zip(rows, entries):
            row.append(with_interval(entry["total"]["rate"], entry["total"]["interval"]))
        if any(entry["mean"] is not None for entry in entries):
            head.append(f"{name}, mean of {snrs} dB")
            for row, entry in zip(rows, entries):
                row.append(with_interval(entry["mean"], entry["mean_interval"]))
    level = 100 * results["bootstrap"]["level"]
    return Table(f"WER (%), in brackets {level:.0f} % interval", head, rows)


def how_intervals_are_made(results: Results) -> str:
    """Return a sentence."""
    how, counts = results["bootstrap"], results["seeds"].values()
    unit = f"blocks of utterances ({how['block']})" if how["block"] else "utterances"
    ways = []
    if any(count == 1 for count in counts):
        ways.append(f"bootstrap over {unit} ({how['resamples']} resamples, seed {how['seed']})")
    if any(count > 1 for count in counts):
        ways.append(f"of systems of several seeds over seeds and {unit}")
    return f"Intervals: {'; '.join(ways)}."


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


def paired_tests(results: Results, of_wer: bool) -> Optional[Table]:
    """Return the paired tests between systems by WER, or by all else; None where there are none."""
    rows = [
        [
            test["a"],
            test["b"],
            test["set"],
            *([] if of_wer else [_title(test["measure"])]),
            _difference(test),
            _p(test["p"]),
            _p(test["p_matched_pairs"]),
        ]
        for test in results["tests"]
        if (test["measure"] == "WER") == of_wer
    ]
    texts = ["A", "B", "set", *([] if of_wer else ["measure"])]
    caption = f"Paired tests by {'WER (in points)' if of_wer else 'other measures'}"
    head = [*texts, "A less B", "p", "p, matched pairs"]
    return Table(caption, head, rows, len(texts)) if rows else None


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
    return [_title(measure) for measure in next(iter(scores.values()))["total"]]


def _title(measure: str) -> str:
    return MEASURES[measure].title if measure in MEASURES else measure


def _means(means: Mapping[str, Any], intervals: bool = True) -> List[str]:
    """Return the cells of all measures."""
    cells = []
    for measure, mean in means.items():
        if mean["mean"] is None:
            cell = MISSING
        else:
            cell = _value(measure, mean["mean"], mean["interval"] if intervals else None)
        cells.append(cell + (f" ({mean['undefined']} undefined)" if mean["undefined"] else ""))
    return cells


def _difference(test: Mapping[str, Any]) -> str:
    if test["measure"] in RATES:
        return with_interval(test["difference"], test["interval"])
    return _value(test["measure"], test["difference"], test["interval"])


def _value(measure: str, value: float, interval: Optional[Sequence[Optional[float]]]) -> str:
    digits = MEASURES[measure].digits
    first, *ends = (
        f"{round(number, digits) + 0.0:.{digits}f}"  # adding 0 makes of -0.0 a 0.0
        for number in (value, *(interval or ()))
        if number is not None
    )
    return f"{first} [{', '.join(ends)}]" if len(ends) == 2 else first


def _p(p: Optional[float]) -> str:
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
