# SPDX-License-Identifier: Apache-2.0
"""Confidence of a rate or mean, by resampling utterances or whole blocks of them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Optional

import numpy as np

DRAWN_AT_ONCE = 1 << 22  # numbers in memory


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
    few = resamples * count <= DRAWN_AT_ONCE
    draws: Iterable[np.ndarray] = (_kept_draws if few else _draws)(count, resamples, seed)
    ratios = []
    for times in draws:
        sums = (times @ totals).reshape(-1, rows, 2)
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


@lru_cache(maxsize=2)
def _kept_draws(count: int, resamples: int, seed: int) -> list[np.ndarray]:
    return list(_draws(count, resamples, seed))


def _draws(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each of ``count`` items is in each of some draws, (draws, count)."""
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        flat = rng.integers(count, size=(draws, count)) + count * np.arange(draws)[:, None]
        times = np.bincount(flat.ravel(), minlength=draws * count).reshape(draws, count)
        yield times.astype(float)  # which multiplies faster
