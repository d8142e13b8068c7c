# SPDX-License-Identifier: Apache-2.0
"""Is one system better than another? Paired tests on the utterances that both decoded."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np
from scipy.special import ndtr

from espnet_cbpc.scoring.statistics.bootstrap import percentiles, resampled_ratios
from espnet_cbpc.scoring.wer.word_alignment import Chunk, align_texts

GOOD_WORDS = 2  # in a row, right in both systems, end a segment; as in NIST's sc_stats


class Difference(NamedTuple):
    """How much the rate or mean of system A exceeds that of system B.

    Attributes:
        value: that of A less that of B.
        interval: of ``value``.
        p: two-sided; with several seeds it accounts for seeds and utterances, with one it is
            ``p_bootstrap``.
        p_bootstrap: of the paired bootstrap over utterances, seeds taken as they are.
        seeds: number of seeds.
    """

    value: float
    interval: tuple[float, float]
    p: float
    p_bootstrap: float
    seeds: int


class MatchedPairs(NamedTuple):
    """Outcome of :func:`matched_pairs`.

    Attributes:
        segments: number of segments.
        difference: mean over segments of A's errors less B's; nan without segments.
        z: difference by its standard error.
        p: two-sided, of no difference; nan where a single segment leaves it open.
    """

    segments: int
    difference: float
    z: float
    p: float


def paired_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    weights: np.ndarray,
    blocks: Optional[Sequence[str]] = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """Compare two systems by drawing utterances, the same for both, with replacement.

    Source: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation", ICASSP 2004. The p value is twice the smaller share of the draws on one side of 0,
    those at 0 and the sample itself counted.

    Args:
        a: (utterances,) errors, or values of a measure, of system A.
        b: (utterances,) those of system B.
        weights: (utterances,) reference words, or ones.
        blocks, resamples, seed: as of :func:`.bootstrap.resampled_ratios`.
        level: confidence of the interval.
    """
    difference = np.asarray(a, dtype=float) - b
    drawn = resampled_ratios(difference[None], np.asarray(weights)[None], blocks, resamples, seed)
    low, high = percentiles(drawn, level)[0]
    fewer = 1 + min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, float(2 * fewer / (resamples + 1)))
    value = float(difference.sum() / np.sum(weights))
    return Difference(value, (float(low), float(high)), p, p, 1)


def matched_pairs(
    ref: Mapping[str, str], a: Mapping[str, str], b: Mapping[str, str]
) -> MatchedPairs:
    """Compare the word errors of two systems segment by segment (MAPSSWE).

    Source: L. Gillick and S. J. Cox, "Some statistical issues in the comparison of speech
    recognition algorithms", ICASSP 1989; segments as in NIST's ``sc_stats -t mapsswe``, of our
    alignments, where sclite's may differ. Segments count as independent of one another, so the test
    has no place for blocks.

    Args:
        ref: reference by utterance.
        a: hypothesis of system A by utterance, at least of all in ``ref``.
        b: hypothesis of system B.
    """
    errors = [
        pair
        for key, text in ref.items()
        for pair in segment_errors(align_texts(text, a[key]), align_texts(text, b[key]))
    ]
    if not errors:
        return MatchedPairs(0, math.nan, math.nan, 1.0)
    differences = np.subtract(*np.transpose(errors))
    mean = float(differences.mean())
    if len(differences) == 1:
        return MatchedPairs(1, mean, math.nan, math.nan)
    spread = differences.std(ddof=1) / math.sqrt(len(differences))
    z = mean / spread if spread else math.copysign(math.inf, mean) if mean else 0.0
    return MatchedPairs(len(differences), mean, float(z), float(2 * ndtr(-abs(z))))


def segment_errors(a: Sequence[Chunk], b: Sequence[Chunk]) -> list[tuple[int, int]]:
    """Count the errors of two systems in each segment of an utterance.

    A segment begins and ends at the ends of the utterance, or at two or more successive reference
    words that both systems have right, without an insertion between them.

    Args:
        a: alignment of system A's hypothesis (:func:`.word_alignment.align_texts`).
        b: alignment of system B's hypothesis with the same reference.

    Returns:
        Errors of A and of B in each segment; at least one of them is not 0.
    """
    found, errors, good = [], [0, 0], 0
    for place, pair in enumerate(zip(_errors_by_place(a), _errors_by_place(b))):
        if any(pair):
            errors, good = [errors[0] + pair[0], errors[1] + pair[1]], 0
        elif place % 2:
            good += 1
            if good == GOOD_WORDS and any(errors):
                found.append((errors[0], errors[1]))
                errors = [0, 0]
    return [*found, (errors[0], errors[1])] if any(errors) else found


def _errors_by_place(chunks: Sequence[Chunk]) -> list[int]:
    """Count errors at each place of a reference: before its first word, at it, after it, ..."""
    places = [0]
    for kind, ref, hyp in chunks:
        if kind == "insert":
            places[-1] += len(hyp)
        for _ in ref:
            places += [int(kind != "equal"), 0]
    return places
