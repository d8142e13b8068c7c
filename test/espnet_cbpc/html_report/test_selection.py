# SPDX-License-Identifier: Apache-2.0
"""Worst, best, median and divided utterances among errors that are known."""

from pathlib import Path

from espnet_cbpc.html_report.decoded_set import DecodedSet
from espnet_cbpc.html_report.selection import choose, worst_and_best
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts

WORDS = 10
#         utterance: errors of "other", errors of "ours", SNR
TABLE = {
    "a": (0, 0, "10"),
    "b": (0, 0, "0"),
    "c": (9, 1, "5"),  # most ahead
    "d": (0, 7, "5"),  # most behind
    "e": (9, 9, "5"),  # worst
    "f": (2, 2, "5"),  # median
    "g": (3, 3, "5"),
}


def decoded(table=TABLE, category="SIMU"):
    counts = {
        system: {key: ErrorCounts(WORDS, row[i], 0, 0) for key, row in table.items()}
        for i, system in enumerate(("other", "ours"))
    }
    properties = {
        "utt2snr": {key: row[2] for key, row in table.items()},
        "utt2category": dict.fromkeys(table, category),
    }
    ref = dict.fromkeys(table, "word " * WORDS)
    return DecodedSet("set", Path("set"), ref, {}, counts, {}, properties)


def utterances(places):
    return [place.utterance for place in places]


def test_worst_and_best():
    worst, best = worst_and_best([decoded()], "ours", 3)
    assert utterances(worst) == ["e", "d", "g"]
    assert utterances(best) == ["b", "a", "c"]  # of a and b the noisier one first


def test_nothing_is_both_and_nothing_right_is_worst():
    worst, best = worst_and_best([decoded()], "ours", 100)
    assert utterances(worst) == ["e", "d", "g", "f", "c"]
    assert utterances(best) == ["b", "a"]


def test_examples():
    chosen = choose([decoded()], "ours", seed=0)
    assert [choice.place.utterance for choice in chosen] == ["e", "f", "b", "c", "d"]
    assert [choice.why.split()[0] for choice in chosen] == [
        "Highest", "Median", "Lowest", "Furthest", "Furthest",
    ]  # fmt: skip


def test_the_seed_decides_among_equals():
    table = {f"u{i}": (0, 5, "5") for i in range(50)}
    draws = [choose([decoded(table)], "ours", seed)[0].place.utterance for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1] and len(set(draws)) > 1


def test_clean_speech_only_where_there_is_nothing_else():
    clean, noisy = decoded(category="CLEAN"), decoded({"n": (1, 1, "0")})
    assert [c.place.utterance for c in choose([clean, noisy], "ours", 0)] == ["n"]
    assert len(choose([clean], "ours", 0)) == 5
    assert choose([decoded({})], "ours", 0) == []


def test_utterances_without_words_are_passed_over():
    found = decoded({"n": (1, 1, "0")})
    found.ref["empty"] = ""
    for counts in found.counts.values():
        counts["empty"] = ErrorCounts(0, 0, 0, 3)
    assert [c.place.utterance for c in choose([found], "ours", 0)] == ["n"]
