# SPDX-License-Identifier: Apache-2.0
"""Estimates over seeds: hand-made tables, and simulated experiments whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from espnet_cbpc.scoring.statistics.seeds import mean_over_seeds

RUNS = 1000
NEAR = 3.5 * np.sqrt(0.95 * 0.05 / RUNS)


def test_one_seed_is_a_t_interval_over_utterances():
    values = np.random.default_rng(0).normal(2, 1, size=(1, 30))
    found = mean_over_seeds(values, np.ones(30))
    low, high = stats.t.interval(0.95, 29, values.mean(), stats.sem(values[0]))
    assert found.interval == pytest.approx((low, high))
    assert found.p == pytest.approx(stats.ttest_1samp(values[0], 0).pvalue)
    assert (found.value, found.freedom) == (pytest.approx(values.mean()), 29)


def test_mean_squares_by_hand():
    """Rows 3 and 5, columns 2, 4 and 6 in the mean: no rest, MS_seed 6, MS_utterance 8."""
    table = np.array([[1.0, 3.0, 5.0], [3.0, 5.0, 7.0]])
    found = mean_over_seeds(table, np.ones(3))
    assert found.value == 4
    assert found.freedom == pytest.approx((6 + 8) ** 2 / (6**2 / 1 + 8**2 / 2))
    half = stats.t.ppf(0.975, found.freedom) * math.sqrt((6 + 8) / 6)
    assert found.interval == pytest.approx((4 - half, 4 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(4 / math.sqrt(14 / 6), found.freedom))


def test_seeds_that_agree_leave_the_variance_over_utterances():
    """MS_seed is 0 here, below MS_rest: more than one seed does not make utterances more."""
    table = np.array([[0.0, 2.0, 0.0, 2.0], [2.0, 0.0, 0.0, 2.0]])
    of_means = mean_over_seeds(table.mean(axis=0, keepdims=True), np.ones(4))
    assert mean_over_seeds(table, np.ones(4)) == of_means


def test_a_rate_is_linearised_as_a_ratio():
    """The delta method's standard error of errors / words."""
    rng = np.random.default_rng(1)
    words = rng.integers(2, 20, size=40)
    errors = rng.binomial(words, 0.3)
    rate = errors.sum() / words.sum()
    se = np.sqrt(np.sum((errors - rate * words) ** 2) * 40 / 39) / words.sum()
    low, high = mean_over_seeds(errors[None], words).interval
    assert (low + high) / 2 == pytest.approx(rate)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 39) * se)


def test_blocks_count_as_utterances():
    rng = np.random.default_rng(2)
    errors, words = rng.integers(0, 5, size=(3, 60)), rng.integers(1, 9, size=60)
    blocks = [f"b{i % 20:02d}" for i in range(60)]
    summed = errors.reshape(3, 3, 20).sum(axis=1), words.reshape(3, 20).sum(axis=0)
    assert mean_over_seeds(errors, words, blocks) == mean_over_seeds(*summed)


def test_weight_zero_is_left_out():
    values, weights = np.array([[1.0, 0.0, 4.0, 2.0]]), np.array([1, 0, 1, 1])
    blocks = ["a", "b", "c", "d"]
    expected = mean_over_seeds(values[:, [0, 2, 3]], np.ones(3))
    assert mean_over_seeds(values, weights) == expected
    assert mean_over_seeds(values, weights, blocks) == expected


def test_without_spread_there_is_no_doubt_and_one_block_says_nothing():
    same = mean_over_seeds(np.zeros((3, 5)), np.ones(5))
    assert (same.value, same.interval, same.p) == (0, (0, 0), 1)
    shifted = mean_over_seeds(np.ones((3, 5)), np.ones(5))
    assert (shifted.value, shifted.interval, shifted.p) == (1, (1, 1), 0)
    single = mean_over_seeds(np.array([[1.0, 2.0]]), np.ones(2), ["a", "a"])
    assert single.value == 1.5 and math.isnan(single.p) and math.isnan(single.interval[0])
    with pytest.raises(ValueError, match="no utterance of positive weight"):
        mean_over_seeds(np.zeros((1, 3)), np.zeros(3))


def errors_of(rng, words, seeds, seed_spread, utterance_chance):
    """Draw (S, U) errors: chances of the utterances, moved by each seed and each decoding."""
    moved = seed_spread * rng.normal(size=(seeds, 1))
    chance = utterance_chance + moved + rng.uniform(-0.1, 0.1, size=(seeds, len(words)))
    return rng.binomial(words, np.clip(chance, 0, 1))


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("seed_spread", [0.0, 0.02])
def test_coverage_of_a_rate(seeds, seed_spread):
    rng = np.random.default_rng(10)
    covered = 0
    for _ in range(RUNS):
        words = rng.integers(3, 9, size=100)
        chance = 0.3 + rng.uniform(-0.2, 0.2, size=100)
        # A single seed cannot tell how much seeds matter: its interval is that of its own rate.
        errors = errors_of(rng, words, seeds, seed_spread * (seeds > 1), chance)
        low, high = mean_over_seeds(errors, words).interval
        covered += low <= 0.3 <= high
    assert covered / RUNS == pytest.approx(0.95, abs=NEAR)


def false_positives(rng, seeds, seed_spread, sharing=1, shared_spread=0.0):
    """Compare equal systems RUNS times; return the shares of p < 0.05 with blocks and without.

    Of ``sharing`` utterances each the systems' chances differ in the same way: they share speech.
    """
    rejected = np.zeros(2)
    for _ in range(RUNS):
        words = rng.integers(3, 9, size=120)
        difficulty = 0.35 + rng.uniform(-0.1, 0.1, size=120)
        blocks = np.arange(120) // sharing
        own = shared_spread * rng.uniform(-1, 1, size=(2, 120 // sharing))[:, blocks]
        a, b = (errors_of(rng, words, seeds, seed_spread, difficulty + o) for o in own)
        for i, labels in enumerate((blocks, None)):
            rejected[i] += mean_over_seeds(a - b, words, labels).p < 0.05
    return rejected / RUNS


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("seed_spread", [0.0, 0.01, 0.05])
def test_false_positives_over_seeds(seeds, seed_spread):
    rng = np.random.default_rng(11)
    rate = false_positives(rng, seeds, seed_spread, shared_spread=0.1)[0]
    # Where seeds make no difference that is not known, so that the test is a little too careful.
    assert (0.05 - NEAR if seed_spread else 0.01) < rate < 0.05 + NEAR


@pytest.mark.parametrize("seeds", [1, 3])
def test_false_positives_with_blocks(seeds):
    rng = np.random.default_rng(12)
    blocked, unblocked = false_positives(rng, seeds, 0.0, sharing=6, shared_spread=0.2)
    assert blocked == pytest.approx(0.05, abs=NEAR)
    assert unblocked > 0.1


def test_seeds_that_are_not_accounted_for_make_false_positives():
    """Why seeds must count: utterances alone would call every other lucky seed a finding."""
    rng = np.random.default_rng(13)
    naive = 0
    for _ in range(RUNS):
        words = rng.integers(3, 9, size=120)
        a, b = (errors_of(rng, words, 3, 0.03, np.full(120, 0.3)) for _ in range(2))
        naive += mean_over_seeds((a - b).mean(axis=0, keepdims=True), words).p < 0.05
    assert naive / RUNS > 0.15


def test_a_true_difference_is_found():
    rng = np.random.default_rng(14)
    found, covered = 0, 0
    for _ in range(RUNS):
        words = rng.integers(3, 9, size=300)
        difficulty = 0.3 + rng.uniform(-0.15, 0.15, size=300)
        a = errors_of(rng, words, 5, 0.005, difficulty + 0.05)
        b = errors_of(rng, words, 5, 0.005, difficulty)
        estimate = mean_over_seeds(a - b, words)
        found += estimate.p < 0.05
        covered += estimate.interval[0] <= 0.05 <= estimate.interval[1]
    assert found / RUNS > 0.9
    assert covered / RUNS == pytest.approx(0.95, abs=NEAR)
