# SPDX-License-Identifier: Apache-2.0
"""Error counts against an independent edit distance and by hand."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_cbpc.scoring.wer.error_counts import ErrorCounts, error_counts
from espnet_cbpc.utils.cli import UserError

texts = st.lists(st.sampled_from(["one", "two", "three", "A"]), max_size=7).map(" ".join)


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


@given(texts, texts)
def test_errors_are_the_edit_distance_and_balance(ref, hyp):
    for unit, a, b in (("word", ref.split(), hyp.split()), ("char", ref, hyp)):
        counts = error_counts({"u": ref}, {"u": hyp}, unit)["u"]
        assert counts.errors == edit_distance(a, b)
        assert counts.words == len(a)
        assert counts.words - counts.deletions + counts.insertions == len(b)


@pytest.mark.parametrize(
    "ref, hyp, unit, expected",
    [
        ("one two three", "one three", "word", ErrorCounts(3, 0, 1, 0)),
        ("one two", "one too two", "word", ErrorCounts(2, 0, 0, 1)),
        ("one two", "", "word", ErrorCounts(2, 0, 2, 0)),
        ("One", "one", "word", ErrorCounts(1, 1, 0, 0)),
        ("a b", "ab", "char", ErrorCounts(3, 0, 1, 0)),
        ("a  b", "a b", "char", ErrorCounts(3, 0, 0, 0)),
    ],
)
def test_known_cases(ref, hyp, unit, expected):
    assert error_counts({"u": ref}, {"u": hyp}, unit) == {"u": expected}


def test_sum_and_rate():
    total = ErrorCounts(4, 1, 1, 0) + ErrorCounts(6, 0, 0, 3)
    assert total == ErrorCounts(10, 1, 1, 3)
    assert total.rate == 0.5
    assert total.correct == 8
    assert ErrorCounts(1, 0, 0, 4).rate == 4.0
    assert math.isnan(ErrorCounts().rate)


@pytest.mark.parametrize("counts", [(1, 1, 1, 0), (-1, 0, 0, 0), (2, 0, 0, -1)])
def test_inconsistent_counts_are_refused(counts):
    with pytest.raises(ValueError, match="inconsistent counts"):
        ErrorCounts(*counts)


def test_missing_and_extra_hypotheses_are_named():
    ref = {f"u{i}": "one" for i in range(8)}
    message = (
        "7 utterance(s) without hypothesis (u1, u2, u3, u4, u5 and 2 more) and "
        "1 hypothesis(es) without reference (x): decode the set that the references belong to"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        error_counts(ref, {"u0": "one", "x": "two"})
