"""Confidence of an error rate, by resampling utterances."""

from typing import Sequence, Tuple

import numpy as np

from espnet_cbpc.scoring.error_counts import ErrorCounts


def bootstrap_interval(
    counts: Sequence[ErrorCounts], level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Tuple[float, float]:
    """Return the percentile interval of total errors / total words.

    Source: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation", ICASSP 2004. One generator an interval, so that each can be recomputed alone.

    Args:
        counts: one a utterance.
        level: share of the resampled rates within the interval.
        resamples: number of times that as many utterances are drawn with replacement.
        seed: of the draws.

    Raises:
        ValueError: no utterance, or none with words.
    """
    words = np.array([count.words for count in counts])
    errors = np.array([count.errors for count in counts])
    if not words.sum():
        raise ValueError("no reference words to draw from")
    rng = np.random.default_rng(seed)
    rates = np.empty(resamples)
    for i in range(resamples):
        drawn = rng.integers(len(words), size=len(words))
        rates[i] = errors[drawn].sum() / max(1, words[drawn].sum())
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
