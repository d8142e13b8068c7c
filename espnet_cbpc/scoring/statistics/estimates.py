# SPDX-License-Identifier: Apache-2.0
"""Intervals of rates and means, and differences between two systems with p-values."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

from espnet_cbpc.scoring.statistics.bootstrap import percentiles, resampled_ratios
from espnet_cbpc.scoring.statistics.seeds import mean_over_seeds
from espnet_cbpc.scoring.statistics.significance import Difference, paired_bootstrap
from espnet_cbpc.scoring.statistics.utterance_scores import Scores

Blocks = Optional[Sequence[str]]


class Resampling(NamedTuple):
    """How intervals are made: confidence, and bootstrap resamples."""

    level: float = 0.95
    resamples: int = 1000
    seed: int = 0


def interval_kind(seeds: int) -> str:
    """Return by what an interval is made: ``bootstrap`` over utterances, or ``two-way``."""
    return "bootstrap" if seeds == 1 else "two-way"


def intervals(rows: Sequence[Scores], blocks: Blocks, how: Resampling) -> list[tuple[float, float]]:
    """Return the interval of the rate or mean of each system on the same utterances.

    Args:
        rows: scores of each system; one seed: percentiles of a bootstrap over utterances; several:
            :func:`espnet_cbpc.scoring.statistics.seeds.mean_over_seeds`.
        blocks: (U,) labels of utterances that belong together; None: each by itself.
        how: confidence and draws.

    Returns:
        One interval a system, none of it below what is possible; nan where there are not two blocks
        of weight.
    """
    drawn = [row for row in rows if len(row.values) == 1]
    by_draws = iter(())
    if drawn:
        values = np.concatenate([row.values for row in drawn])
        weights = np.stack([row.weights for row in drawn])
        ratios = resampled_ratios(values, weights, blocks, how.resamples, how.seed)
        by_draws = iter(percentiles(ratios, how.level).tolist())
    found = []
    for row in rows:
        interval = next(by_draws) if len(row.values) == 1 else None
        if _blocks_of_weight(row.weights, blocks) < 2:
            interval = (np.nan, np.nan)
        elif interval is None:
            interval = mean_over_seeds(row.values, row.weights, blocks, how.level).interval
        found.append((float(np.maximum(interval[0], row.least)), interval[1]))
    return found


def difference(a: Scores, b: Scores, blocks: Blocks, how: Resampling) -> Optional[Difference]:
    """Compare two systems on the utterances where both have weight.

    Args:
        a: scores of system A.
        b: scores of system B, of as many seeds, or either of them of one.
        blocks, how: as of :func:`intervals`.

    Returns:
        The difference, or None where there are not two blocks to tell it from.
    """
    common = (a.weights > 0) & (b.weights > 0)
    weights = np.where(common, a.weights, 0)
    if _blocks_of_weight(weights, blocks) < 2:
        return None
    a_values, b_values = np.where(common, a.values, 0), np.where(common, b.values, 0)
    drawn = paired_bootstrap(a_values.mean(axis=0), b_values.mean(axis=0), weights, blocks, *how)
    seeds = max(len(a_values), len(b_values))
    if seeds == 1:
        return drawn
    found = mean_over_seeds(a_values - b_values, weights, blocks, how.level)
    return Difference(found.value, found.interval, found.p, drawn.p, seeds)


def balanced(scores: Scores, groups: Sequence[Sequence[int]]) -> Scores:
    """Weigh groups of utterances alike, so that the rate is the mean of the groups' rates.

    Args:
        scores: of all utterances.
        groups: indices of the utterances of each group, each with some weight; utterances of none
            get the weight 0.
    """
    scale = np.zeros(len(scores.weights))
    for members in groups:
        share = scores.weights.sum() / len(groups)
        scale[list(members)] = share / scores.weights[list(members)].sum()
    return Scores(scores.values * scale, scores.weights * scale, scores.least)


def _blocks_of_weight(weights: np.ndarray, blocks: Blocks) -> int:
    weighty = np.flatnonzero(weights)
    return len(weighty) if blocks is None else len(set(np.asarray(blocks)[weighty]))
