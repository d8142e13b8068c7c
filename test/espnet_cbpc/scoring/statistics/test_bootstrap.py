# SPDX-License-Identifier: Apache-2.0
"""The bootstrap interval: degenerate cases, coverage, blocks, and its seed."""

import numpy as np
import pytest

from espnet_cbpc.scoring.statistics.bootstrap import (
    block_sums,
    percentiles,
    resampled_ratios,
)
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts


def interval(counts, **how):
    """Return the interval of the error rate."""
    errors, words = ([[getattr(c, name) for c in counts]] for name in ("errors", "words"))
    return tuple(percentiles(resampled_ratios(np.array(errors), np.array(words), **how))[0])


def test_equal_utterances_leave_no_doubt():
    assert interval([ErrorCounts(4, 1, 0, 0)] * 10) == (0.25, 0.25)


def test_close_to_the_normal_interval_of_many_utterances():
    wrong = np.random.default_rng(1).random(2000) < 0.3
    counts = [ErrorCounts(1, int(w), 0, 0) for w in wrong]
    rate, low_high = wrong.mean(), interval(counts, resamples=2000)
    half = 1.96 * np.sqrt(rate * (1 - rate) / len(wrong))
    assert low_high == pytest.approx((rate - half, rate + half), abs=0.003)


def test_long_utterances_weigh_more():
    counts = [ErrorCounts(98, 98, 0, 0)] + [ErrorCounts(1, 0, 0, 0)] * 2
    low, high = interval(counts)
    assert (low, high) == (0.0, 1.0)
    assert interval([ErrorCounts(2, 0, 0, 6)]) == (3.0, 3.0)


def test_seed_decides():
    counts = [ErrorCounts(5, i % 4, 0, 0) for i in range(30)]
    assert interval(counts, seed=3) == interval(counts, seed=3)
    assert interval(counts, seed=3) != interval(counts, seed=4)


def test_a_row_has_the_same_draws_alone_and_beside_others(monkeypatch):
    rng = np.random.default_rng(0)
    errors, words = rng.integers(4, size=(3, 50)), rng.integers(1, 9, size=(3, 50))
    together = resampled_ratios(errors, words, seed=2)
    assert together.shape == (1000, 3)
    for row in range(3):
        alone = resampled_ratios(errors[row : row + 1], words[row : row + 1], seed=2)
        assert np.array_equal(alone[:, 0], together[:, row])
    # Three rows of 50.
    monkeypatch.setattr("espnet_cbpc.scoring.statistics.bootstrap.DRAWN_AT_ONCE", 170)
    assert np.array_equal(resampled_ratios(errors, words, seed=2), together)


def test_a_draw_is_as_many_utterances_with_replacement():
    counts = resampled_ratios(np.eye(6) * 6, np.ones((6, 6)), resamples=4000)  # how often each
    assert (counts.sum(axis=1) == 6).all()
    never = (counts == 0).mean(axis=0)
    chance = (5 / 6) ** 6
    assert never == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 4000))


def test_blocks_are_drawn_whole():
    errors, words = np.array([[1, 0, 3, 4]]), np.full((1, 4), 4)
    blocks = ["b", "a", "b", "a"]
    assert block_sums(errors, blocks).tolist() == [[4, 4]]
    assert set(resampled_ratios(errors, words, blocks)[:, 0]) == {0.5}
    pairs = resampled_ratios(errors, words, ["a", "a", "b", "b"])[:, 0]
    assert set(pairs) == {1 / 8, 0.5, 7 / 8}


@pytest.mark.parametrize("share, blocked", [(0.0, False), (0.15, True)])
def test_coverage(share, blocked):
    """Words are wrong with a chance that the utterances of a block have in common."""
    rng = np.random.default_rng(0)
    runs, count, size = 400, 60, 5
    blocks = np.repeat(np.arange(count), size).astype(str)
    covered, covered_unblocked = 0, 0
    for _ in range(runs):
        words = rng.integers(3, 9, size=(1, count * size))
        chance = 0.3 + share * np.repeat(rng.uniform(-1, 1, count), size)
        errors = rng.binomial(words, chance)
        for labels in (blocks, None):
            drawn = resampled_ratios(errors, words, labels, 300, int(rng.integers(1 << 30)))
            low, high = percentiles(drawn)[0]
            covered += low <= 0.3 <= high and labels is not None
            covered_unblocked += low <= 0.3 <= high and labels is None
    tolerance = 3.5 * np.sqrt(0.95 * 0.05 / runs)
    assert covered / runs == pytest.approx(0.95, abs=tolerance)
    assert (covered_unblocked / runs < 0.95 - tolerance) == blocked
