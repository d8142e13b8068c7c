"""Confidence of a rate or mean, by resampling utterances or whole blocks of them."""

from typing import Optional, Sequence, Tuple

import numpy as np

from espnet_cbpc.scoring.wer.error_counts import ErrorCounts

DRAWN_AT_ONCE = 1 << 22  # numbers in memory


def bootstrap_interval(
    counts: Sequence[ErrorCounts],
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    blocks: Optional[Sequence[str]] = None,
) -> Tuple[float, float]:
    """Return the percentile interval of total errors / total words.

    Args:
        counts: one a utterance.
        level: share of the resampled rates within the interval.
        resamples, seed, blocks: as of :func:`resampled_ratios`.

    Raises:
        ValueError: no utterance, or none with words.
    """
    words = np.array([[count.words for count in counts]])
    errors = np.array([[count.errors for count in counts]])
    if not words.sum():
        raise ValueError("no reference words to draw from")
    low, high = percentiles(resampled_ratios(errors, words, blocks, resamples, seed), level)[0]
    return float(low), float(high)


def resampled_ratios(
    values: np.ndarray,
    weights: np.ndarray,
    blocks: Optional[Sequence[str]] = None,
    resamples: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """Draw as many utterances as there are, with replacement, and return sum / sum of weights.

    Source: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation", ICASSP 2004. The draws depend on the number of blocks and the seed alone, so that
    every row has the same, whether it is drawn for by itself or beside others.

    Args:
        values: (rows, utterances) errors, their differences, or values of a measure.
        weights: (rows, utterances) reference words, or ones; 0 leaves a value of 0 out.
        blocks: (utterances,) labels; utterances of one label are drawn together. None: each by
            itself.
        resamples: how often is drawn.
        seed: of the draws.

    Returns:
        (resamples, rows).
    """
    totals = np.stack([block_sums(values, blocks), block_sums(weights, blocks)], axis=-1)
    rows, count, _ = totals.shape
    totals = totals.swapaxes(0, 1).reshape(count, 2 * rows)
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // count)
    ratios = []
    for start in range(0, resamples, at_once):
        draws = rng.integers(count, size=(min(at_once, resamples - start), count))
        sums = (_times_drawn(draws) @ totals).reshape(-1, rows, 2)
        ratios.append(sums[..., 0] / np.maximum(1, sums[..., 1]))
    return np.concatenate(ratios)


def percentiles(ratios: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Return the interval that holds ``level`` of each column, (rows, 2)."""
    return np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2], axis=0).T


def block_sums(values: np.ndarray, blocks: Optional[Sequence[str]]) -> np.ndarray:
    """Return the sums over the utterances of each block, (rows, utterances) to (rows, blocks)."""
    if blocks is None:
        return values
    index = np.unique(np.asarray(blocks), return_inverse=True)[1]
    return np.stack([np.bincount(index, weights=row) for row in values])


def _times_drawn(draws: np.ndarray) -> np.ndarray:
    """Return how often each of ``count`` items is in each row of (resamples, count) draws."""
    resamples, count = draws.shape
    flat = draws + count * np.arange(resamples)[:, None]
    times = np.bincount(flat.ravel(), minlength=resamples * count).reshape(resamples, count)
    return times.astype(float)  # which multiplies faster
