# SPDX-License-Identifier: Apache-2.0
"""Means and differences of systems trained with several seeds, and how sure they are.

Systems trained with S seeds decode the same U utterances, so there are S x U values, and two
reasons why another experiment would have others: other seeds and other utterances. Both count as
random and crossed, as readers and cases do in studies of medical images:

* D. D. Dorfman, K. S. Berbaum, C. E. Metz, "Receiver operating characteristic rating analysis:
  generalization to the population of readers and patients with the jackknife method",
  Investigative Radiology 27(9), 1992;
* S. L. Hillis, "A comparison of denominator degrees of freedom methods for multiple observer ROC
  analysis", Statistics in Medicine 26(3), 2007.

With the mean squares of the two-way table, Var(mean) = (MS_seed + MS_utterance - MS_rest) / (S U),
with Satterthwaite's degrees of freedom. Where MS_seed is below MS_rest, seeds are estimated to make
no difference, and what is left is the variance over utterances. Of simulated experiments without a
difference, 3 to 7 % had p < 0.05 with three seeds, 3 to 6 % with five, and up to 13 % with two.
"""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from scipy import special  # scipy.stats takes half a second to import

from espnet_cbpc.scoring.statistics.bootstrap import block_sums


class Estimate(NamedTuple):
    """A mean or difference.

    Attributes:
        value: the estimate.
        interval: where the true value lies with the asked confidence.
        p: two-sided, of the hypothesis that the true value is 0.
        freedom: degrees of freedom of the t distribution that ``interval`` and ``p`` are from.
    """

    value: float
    interval: tuple[float, float]
    p: float
    freedom: float


def mean_over_seeds(
    values: np.ndarray,
    weights: np.ndarray,
    blocks: Optional[Sequence[str]] = None,
    level: float = 0.95,
) -> Estimate:
    """Estimate sum of values / sum of weights: an error rate, or the mean of a quality measure.

    The ratio is linearised: utterance u of seed s counts as (value - ratio x weight) / mean weight.

    Args:
        values: (S, U) errors, or values of a measure; or system A's less B's, seed s of B being the
            partner of A's (same random numbers, or earlier stages shared), or B without seeds.
        weights: (U,) reference words, or ones; utterances of weight 0 are left out.
        blocks: (U,) labels of utterances that belong together, as by speaker or by the clean speech
            they share; each block then counts as one utterance.
        level: confidence of the interval.

    Returns:
        The estimate; interval, p and freedom are nan where there is a single block.

    Raises:
        ValueError: no weight at all.
    """
    kept = weights > 0
    if not kept.any():
        raise ValueError("no utterance of positive weight")
    if blocks is not None:
        blocks = np.asarray(blocks)[kept]
    values = block_sums(values[:, kept], blocks)
    weights = block_sums(weights[None, kept], blocks)[0]
    ratio = values.sum() / (len(values) * weights.sum())
    variance, freedom = _variance_of_mean((values - ratio * weights) / weights.mean())
    half = special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
    return Estimate(
        float(ratio),
        (float(ratio - half), float(ratio + half)),
        _two_sided(ratio, variance, freedom),
        freedom,
    )


def _variance_of_mean(table: np.ndarray) -> tuple[float, float]:
    """Return the variance of the mean of an (S, K) table, and its degrees of freedom."""
    seeds, blocks = table.shape
    if blocks < 2:
        return np.nan, np.nan
    mean, by_seed, by_block = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_block = seeds * np.sum((by_block - mean) ** 2) / (blocks - 1)
    if seeds == 1:
        return ms_block / blocks, blocks - 1
    ms_seed = blocks * np.sum((by_seed - mean) ** 2) / (seeds - 1)
    rest = table - by_seed[:, None] - by_block + mean
    ms_rest = np.sum(rest**2) / ((seeds - 1) * (blocks - 1))
    if ms_seed <= ms_rest:
        return ms_block / (seeds * blocks), blocks - 1
    combined = max(ms_seed + ms_block - ms_rest, ms_seed)
    spread = ms_seed**2 / (seeds - 1) + ms_block**2 / (blocks - 1)
    spread += ms_rest**2 / ((seeds - 1) * (blocks - 1))
    return combined / (seeds * blocks), float(combined**2 / spread)


def _two_sided(value: float, variance: float, freedom: float) -> float:
    if variance == 0:
        return float(value == 0)
    return float(2 * special.stdtr(freedom, -abs(value) / np.sqrt(variance)))
