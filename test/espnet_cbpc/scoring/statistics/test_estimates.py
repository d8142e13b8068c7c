# SPDX-License-Identifier: Apache-2.0
"""Intervals of several systems at once, differences, and the mean of groups."""

import numpy as np
import pytest

from espnet_cbpc.scoring.statistics.bootstrap import percentiles, resampled_ratios
from espnet_cbpc.scoring.statistics.comparisons import pairs_to_test
from espnet_cbpc.scoring.statistics.estimates import Resampling, balanced, difference, intervals
from espnet_cbpc.scoring.statistics.seeds import mean_over_seeds
from espnet_cbpc.scoring.statistics.utterance_scores import Scores
from espnet_cbpc.utils.cli import UserError

HOW = Resampling(resamples=200)


@pytest.fixture
def rows():
    """Scores of systems of one, three and one seeds; of the last a third is undefined."""
    rng = np.random.default_rng(0)
    words = rng.integers(1, 9, size=60).astype(float)
    one, three, gaps = (rng.binomial(8, 0.3, size=(s, 60)) * 1.0 for s in (1, 3, 1))
    defined = np.arange(60) % 3 > 0
    return [Scores(one, words), Scores(three, words), Scores(gaps * defined, words * defined)]


def test_each_system_has_the_interval_of_its_own(rows):
    found = intervals(rows, None, HOW)
    for row, interval in ((rows[0], found[0]), (rows[2], found[2])):
        alone = resampled_ratios(row.values, row.weights[None], resamples=200)
        assert interval == pytest.approx(tuple(percentiles(alone)[0]))
    assert found[1] == mean_over_seeds(*rows[1][:2]).interval


def test_where_there_is_one_block_there_is_no_interval(rows):
    one_block = ["a"] * 60
    assert np.isnan(intervals(rows, one_block, HOW)).all()
    single = [Scores(np.ones((s, 1)), np.ones(1)) for s in (1, 3)]
    nothing = [Scores(np.zeros((s, 4)), np.zeros(4)) for s in (1, 3)]
    assert np.isnan(intervals(single, None, HOW)).all()
    assert np.isnan(intervals(nothing, None, HOW)).all()
    assert difference(rows[0], rows[1], one_block, HOW) is None


def test_no_rate_of_errors_is_below_0():
    words, errors = np.full(60, 5.0), np.zeros((3, 60))
    errors[0, :4] = 1  # one seed has errors, the others none: t of 2 degrees of freedom is wide
    low, high = mean_over_seeds(errors, words).interval
    assert low < 0 and intervals([Scores(errors, words)], None, HOW) == [(low, high)]
    of_errors = Scores(errors, words, least=0)
    assert intervals([of_errors.at(range(60))], None, HOW) == [(0, high)]
    ((low, _),) = intervals([balanced(of_errors, [range(20), range(30, 60)])], None, HOW)
    assert low == 0


def test_a_difference_is_of_what_both_define(rows):
    one, three, gaps = rows
    found = difference(one, gaps, None, HOW)
    both = np.flatnonzero(gaps.weights)
    expected = (one.values - gaps.values)[0, both].sum() / one.weights[both].sum()
    assert found.value == pytest.approx(expected)
    assert found.p == found.p_bootstrap and found.seeds == 1
    over_seeds = difference(three, gaps, None, HOW)
    expected = mean_over_seeds((three.values - gaps.values)[:, both], one.weights[both])
    assert over_seeds[:3] == expected[:3] and over_seeds.seeds == 3


def test_balanced_groups_give_the_mean_of_their_rates(rows):
    groups = [list(range(5)), list(range(10, 40))]
    for row in rows[:2]:
        rates = [row.at(group).rates for group in groups]
        assert balanced(row, groups).rates == pytest.approx(np.mean(rates, axis=0))
    assert rows[0].at([0]).rate == rows[0].values[0, 0] / rows[0].weights[0]


def test_pairs_to_test():
    systems = {"a": [1], "b": [1, 2, 3], "c": [1, 2, 3]}
    assert pairs_to_test(systems, None) == [("b", "a"), ("c", "a")]
    assert pairs_to_test(systems, ["c", "b"]) == [("a", "c"), ("b", "c"), ("a", "b")]
    assert pairs_to_test(systems, ["noisy"], ["noisy"]) == [(s, "noisy") for s in systems]
    assert pairs_to_test({"a": [1]}, None) == []
    with pytest.raises(UserError, match="'b' has 2 seeds, 'a' has 3"):
        pairs_to_test({"a": [1, 2, 3], "b": [1, 2]}, None)
