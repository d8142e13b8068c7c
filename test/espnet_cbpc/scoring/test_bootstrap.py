"""The bootstrap interval: degenerate cases, coverage, and its seed."""

import numpy as np
import pytest

from espnet_cbpc.scoring.bootstrap import bootstrap_interval
from espnet_cbpc.scoring.error_counts import ErrorCounts


def test_equal_utterances_leave_no_doubt():
    assert bootstrap_interval([ErrorCounts(4, 1, 0, 0)] * 10) == (0.25, 0.25)


def test_close_to_the_normal_interval_of_many_utterances():
    wrong = np.random.default_rng(1).random(2000) < 0.3
    counts = [ErrorCounts(1, int(w), 0, 0) for w in wrong]
    rate, low_high = wrong.mean(), bootstrap_interval(counts, resamples=2000)
    half = 1.96 * np.sqrt(rate * (1 - rate) / len(wrong))
    assert low_high == pytest.approx((rate - half, rate + half), abs=0.003)


def test_long_utterances_weigh_more():
    counts = [ErrorCounts(98, 98, 0, 0)] + [ErrorCounts(1, 0, 0, 0)] * 2
    low, high = bootstrap_interval(counts)
    assert (low, high) == (0.0, 1.0)
    assert bootstrap_interval([ErrorCounts(2, 0, 0, 6)]) == (3.0, 3.0)


def test_seed_decides():
    counts = [ErrorCounts(5, i % 4, 0, 0) for i in range(30)]
    assert bootstrap_interval(counts, seed=3) == bootstrap_interval(counts, seed=3)
    assert bootstrap_interval(counts, seed=3) != bootstrap_interval(counts, seed=4)


@pytest.mark.parametrize("counts", [[], [ErrorCounts()]])
def test_nothing_to_draw_from(counts):
    with pytest.raises(ValueError, match="no reference words to draw from"):
        bootstrap_interval(counts)
