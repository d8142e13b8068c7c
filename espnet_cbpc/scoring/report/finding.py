# SPDX-License-Identifier: Apache-2.0
"""What a report finds, in words: the lowest error rates, and what paired tests say."""

import re
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.scoring.quality.measures import MEASURES
from espnet_cbpc.scoring.report.results import Results, Test
from espnet_cbpc.scoring.report.wording import measured, p_equals, percent, rate_of, title

WHERE = {
    "test_clean": "on clean speech",
    "test_seen": "in seen noise",
    "test_unseen": "in unseen noise",
    "test_newspk_clean": "on clean speech of an unseen speaker",
    "test_newspk_seen": "in seen noise with an unseen speaker",
    "test_newspk_unseen": "in unseen noise with an unseen speaker",
}
SIGNIFICANT = 0.05  # p values below it
NO_BREAK = "\N{NO-BREAK SPACE}"
NAME = re.compile(r"(?P<title>.*) \((?P<tag>[\w.-]+)\)")  # of a recipe's joint systems


def opening(results: Results) -> list[str]:
    """Return the sentences that a report opens with.

    The first one names the system of the lowest WER on each set. If systems were tested against
    another one, the second says how that one and the best of the others differ on all sets; the
    best is that of the lowest WER on the last set.
    """
    last = results["sets"][-1]
    best = [(name, _ranked(results, name)[:1]) for name in results["sets"]]
    lowest = [
        f"{where(name)} {rate_of(results['wer'][system][name]['total'])} % ({title_of(system)})"
        for name, ranked in best
        for system in ranked
    ]
    sentences = [f"Lowest WER: {'; '.join(lowest)}."] if lowest else []
    of_wer = [test for test in results["tests"] if test["measure"] == "WER"]
    tested = {test["a"]: test["b"] for test in reversed(of_wer)}
    rivals = [system for system in _ranked(results, last) if system in tested]
    if rivals:
        rival, against = rivals[0], tested[rivals[0]]
        tests = [test for test in of_wer if (test["a"], test["b"]) == (rival, against)]
        said = "; ".join(findings(tests, results["bootstrap"]["level"]))
        sentences.append(
            f"{title_of(rival)}, compared with {title_of(against)}: {said}.".replace(NO_BREAK, " ")
        )
    return sentences


def _ranked(results: Results, set_name: str) -> list[str]:
    """Return the systems that have a WER on a set, the lowest first."""
    rates = {s: results["wer"][s][set_name]["total"]["rate"] for s in results["systems"]}
    return sorted((s for s, rate in rates.items() if rate is not None), key=lambda s: rates[s] or 0)


def findings(tests: Sequence[Test], level: float) -> list[str]:
    """Return what tests by one measure on several sets say: what is significant, and what is not.

    Args:
        tests: of the same two systems, by the same measure.
        level: of the intervals, as 0.95.
    """
    measure = title(tests[0]["measure"]).split(" (")[0]
    large, small = [], []
    for test in tests:
        place, difference = where(test["set"]), test["difference"]
        if difference is not None and is_significant(test):
            direction = "higher" if difference >= 0 else "lower"
            size = amount(test["measure"], abs(difference))
            large.append(f"{size} {direction} {place} ({evidence(test, level)})")
        else:
            size = amount(test["measure"], difference)
            small.append(f"{place} ({size}, {evidence(test, level)})")
    found = [f"{measure} {', '.join(large)}"] if large else []
    if small:
        found.append(f"the difference in {measure} {' and '.join(small)} is not significant")
    return found


def is_significant(test: Test) -> bool:
    """Return whether p is below the limit with the digits that are shown."""
    return test["p"] is not None and round(test["p"], 3) < SIGNIFICANT


def amount(measure: str, value: Optional[float]) -> str:
    """Return a difference with its unit."""
    if measure not in MEASURES:
        return f"{percent(value)} points"
    return measured(measure, value) + (" dB" if "(dB)" in title(measure) else "")


def evidence(test: Test, level: float) -> str:
    """Return interval and p value; where "lower" has been said, the interval is of that amount."""
    ends = test["interval"]
    if is_significant(test) and (test["difference"] or 0) < 0:
        ends = [None if end is None else -end for end in reversed(ends)]
    low, high = (amount(test["measure"], end).split()[0] for end in ends)
    p = p_equals(test["p"]).replace(" ", NO_BREAK)
    return f"{100 * level:.0f} % CI {low} to {high}, {p}"


def title_of(system: str) -> str:
    """Return a system's name without its tag."""
    match = NAME.fullmatch(system)
    return match["title"] if match else system


def where(set_name: str) -> str:
    """Return how prose names a test set."""
    return WHERE.get(set_name, f"on {set_name}")
