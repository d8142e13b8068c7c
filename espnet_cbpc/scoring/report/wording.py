# SPDX-License-Identifier: Apache-2.0
"""How the figures of a report are written, in the Markdown tables and on the HTML page."""

from typing import Callable, Optional

from espnet_cbpc.scoring.quality.measures import MEASURES
from espnet_cbpc.scoring.report.results import ErrorRate, Interval, QualityMean, Results, Test
from espnet_cbpc.scoring.statistics.groups import lowest
from espnet_cbpc.scoring.wer.text_normalizer import NONE, NORMALIZERS

MISSING = "–"


def percent(rate: Optional[float]) -> str:
    """Return a share of 1 in percent, a dash for None."""
    return MISSING if rate is None else _rounded(100 * rate, 1)


def percent_with_interval(rate: Optional[float], interval: Optional[Interval]) -> str:
    """Return a share of 1 and its interval in percent; an interval without an end is left out."""
    return percent(rate) + _in_brackets(interval, percent)


def rate_of(errors: ErrorRate) -> str:
    """Return a WER or CER and its interval in percent."""
    return percent_with_interval(errors["rate"], errors["interval"])


def measured(measure: str, value: Optional[float], interval: Optional[Interval] = None) -> str:
    """Return a value of speech quality (a difference, too) with the measure's digits."""
    if value is None:
        return MISSING
    digits = MEASURES[measure].digits
    return _rounded(value, digits) + _in_brackets(interval, lambda end: _rounded(end, digits))


def mean_of(measure: str, mean: QualityMean, with_interval: bool) -> str:
    """Return a mean of speech quality, and of how many utterances the measure was not defined."""
    interval = mean["interval"] if with_interval else None
    value = measured(measure, mean["mean"], interval)
    return value + (f" ({mean['undefined']} undefined)" if mean["undefined"] else "")


def difference(test: Test) -> str:
    """Return the difference of a paired test with its interval; error rates in points."""
    if test["measure"] in MEASURES:
        return measured(test["measure"], test["difference"], test["interval"])
    return percent_with_interval(test["difference"], test["interval"])


def p_value(p: Optional[float]) -> str:
    """Return a p-value, a dash for None."""
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: Optional[float]) -> str:
    """Return a p-value as prose has it: ``p = 0.040``, ``p < 0.001``."""
    value = p_value(p)
    return f"p {value}" if value.startswith("<") else f"p = {value}"


def title(measure: str) -> str:
    """Return the name of a measure of speech quality in full; any other name as it is."""
    return MEASURES[measure].title if measure in MEASURES else measure


def property_name(breakdown: str) -> str:
    """Return what a ``utt2*`` table tells, as ``SNR`` or ``noise``."""
    if breakdown == "utt2snr":
        return "SNR"
    return breakdown[4:] if breakdown.startswith("utt2") else breakdown


def with_unit(breakdown: str, value: str) -> str:
    """Return a value, or a stretch of values, of a ``utt2*`` table as one reads it: SNRs in dB."""
    return f"{value} dB" if breakdown == "utt2snr" and lowest(value) is not None else value


def origin_note(results: Results) -> str:
    """Return the sentences on what stands in brackets, its making, and what texts went through."""
    how, counts = results["bootstrap"], results["seeds"].values()
    unit = f"blocks of utterances ({how['block']})" if how["block"] else "utterances"
    ways = []
    if any(count == 1 for count in counts):
        ways.append(f"bootstrap over {unit} ({how['resamples']} resamples, seed {how['seed']})")
    if any(count > 1 for count in counts):
        ways.append(f"of systems of several seeds over seeds and {unit}")
    note = f"In brackets: {100 * how['level']:.0f} % interval, {'; '.join(ways)}."
    return " ".join([note, *text_note(results)])


def text_note(results: Results) -> list[str]:
    """Return the sentence that says how texts were normalised, if they were."""
    name = results.get("text_normalizer", NONE)
    return [] if name == NONE else [f"Texts are compared {NORMALIZERS[name]} ({name})."]


def _in_brackets(interval: Optional[Interval], show: Callable[[float], str]) -> str:
    low, high = interval or (None, None)
    if low is None or high is None:
        return ""
    return f" [{show(low)}, {show(high)}]"


def _rounded(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 makes of -0.0 a 0.0
