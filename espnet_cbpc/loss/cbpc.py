# SPDX-License-Identifier: Apache-2.0
"""Cluster-based pairwise contrastive loss."""

from typing import Union

import torch

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss, PairedFrames, Result
from espnet_cbpc.loss.ranks import Ranks
from espnet_cbpc.loss.streaming import logsumexp_of_pairs, logsumexp_of_rows

PAIRS = ("all", "cross", "enhanced")


class CBPCLoss(AbsContrastiveLoss):
    """Pull frames of one cluster together and push those of other clusters away.

    For an anchor i with positives P(i) (candidates of its pseudo-label) among candidates C(i)::

        L_i = -1/|P(i)| * sum_{p in P(i)} log( exp(sim(i, p)) / sum_{j in C(i)} exp(sim(i, j)) )

    with sim the cosine over ``temperature``; the mean is over anchors that have a positive.
    The name and the idea (pairs are formed by clusters of ASR encoder outputs) are from Lee and
    Kim, "Cluster-Based Pairwise Contrastive Loss for Noise-Robust Speech Recognition", Sensors
    24(8):2573, 2024, of which only the abstract was at hand; the formula is our choice. With
    ``pairs="all"`` it is L_out of Khosla et al., "Supervised Contrastive Learning", 2020.

    Args:
        temperature: divides every cosine similarity; > 0.
        pairs: ``all``: anchors and candidates are the enhanced and the clean frames together (a
            frame is not its own candidate); ``cross``: anchors are the enhanced frames,
            candidates the clean ones, that of the same time included; ``enhanced``: both are the
            enhanced frames, so that of clean speech only the labels are needed.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> loss, stats = CBPCLoss(0.1)(enhanced, clean, labels, lengths)
    """

    def __init__(self, temperature: float = 0.1, pairs: str = "all"):
        super().__init__(temperature)
        if pairs not in PAIRS:
            raise ValueError(f"pairs must be one of {PAIRS}, but is {pairs!r}")
        self.pairs = pairs
        self.needs_clean = pairs != "enhanced"

    def value_and_gradients(self, frames: PairedFrames) -> Result:
        """See :meth:`AbsContrastiveLoss.value_and_gradients`."""
        if self.pairs == "cross":
            return self.across(frames)
        if self.pairs == "enhanced":
            total, grad, stats = self.among(
                frames.enhanced, frames.labels, frames.ranks, frames.wants_enhanced
            )
            return Result(total, grad, None, stats)
        total, grad, stats = self.among(
            torch.cat([frames.enhanced, frames.clean]),
            frames.labels.repeat(2),
            frames.ranks.twice(),
            frames.wants_enhanced or frames.wants_clean,
        )
        n = len(frames.enhanced)
        grad_enhanced = grad[:n] if frames.wants_enhanced else None
        return Result(total, grad_enhanced, grad[n:] if frames.wants_clean else None, stats)

    def across(self, frames: PairedFrames) -> Result:
        """Compare enhanced with clean frames."""
        anchors, ranks = frames.enhanced, frames.ranks
        candidates = ranks.gather(frames.clean)  # (M, D)
        clusters = Clusters(candidates, ranks.gather(frames.labels), ranks, own_is_candidate=True)

        # 1. The denominators, over all candidates
        lse, grad, grad_clean = logsumexp_of_rows(
            anchors,
            candidates,
            clusters.weight,
            self.temperature,
            wants_x=frames.wants_enhanced,
            wants_y=frames.wants_clean,
        )

        # 2. The positives, by sums over clusters
        positive_sum = (anchors * clusters.sums).sum(1)  # (N,)
        factor = clusters.weight / (self.temperature * clusters.positives.clamp(min=1))  # (N,)
        if frames.wants_enhanced:
            grad -= factor[:, None] * clusters.sums
        if frames.wants_clean:
            grad_clean -= clusters.spread(factor[:, None] * anchors)
            grad_clean = ranks.total(grad_clean)[ranks.own]
        total = weighted_total(clusters.weight, lse) - (factor * positive_sum).sum()
        return Result(total, grad, grad_clean, clusters.stats(anchors, positive_sum))

    def among(
        self, z: torch.Tensor, labels: torch.Tensor, ranks: Ranks, wants_gradient: bool
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """Compare frames ``z`` (N, D) with one another; see :class:`.Result`."""
        clusters = Clusters(ranks.gather(z), ranks.gather(labels), ranks, own_is_candidate=False)
        lse, grad, _ = logsumexp_of_pairs(
            z, clusters.weight, self.temperature, ranks, wants_gradient
        )
        positive_sum = (z * (clusters.sums - z)).sum(1)  # (N,)
        factor = clusters.weight / (self.temperature * clusters.positives.clamp(min=1))
        if wants_gradient:
            # Twice: each pair of a cluster occurs with either frame as the anchor.
            grad -= 2 * factor[:, None] * (clusters.sums - z)
        total = weighted_total(clusters.weight, lse) - (factor * positive_sum).sum()
        return total, grad, clusters.stats(z, positive_sum, z)


class Clusters:
    """Sums over the candidates of each label, looked at from this process's anchors.

    Args:
        candidates: (M, D) of all processes.
        labels: (M,) their pseudo-labels, of any values >= 0; anchor i is at place
            ``ranks.own.start + i``.
        ranks: all processes.
        own_is_candidate: whether the candidate at an anchor's place is one of its candidates.

    Attributes:
        sums: (N, D) sum of the candidates with the anchor's label, that at its place included.
        positives: (N,) number of its positives.
        weight: (N,) of the anchor in the mean over the anchors of all processes; 0 without positives.
    """

    def __init__(
        self, candidates: torch.Tensor, labels: torch.Tensor, ranks: Ranks, own_is_candidate: bool
    ):
        self.ranks = ranks
        self.excluded = 0 if own_is_candidate else 1
        self.candidates = candidates
        self.index = dense_index(labels)  # (M,)
        self.sums = self._sum_by_cluster(candidates, self.index)[self.index[ranks.own]]
        self.sums = self.sums.to(candidates.dtype)
        ones = candidates.new_ones(len(labels))
        counts = candidates.new_zeros(len(labels)).index_add_(0, self.index, ones)[self.index]
        positives = counts - self.excluded  # (M,)
        is_anchor = (positives > 0).to(candidates.dtype)
        self.anchors = is_anchor.sum()
        self.positives = positives[ranks.own]
        self.weight = is_anchor[ranks.own] / self.anchors.clamp(min=1)

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """Return for each candidate (M, D) the sum of this process's ``x`` (N, D) with its label."""
        return self._sum_by_cluster(x, self.index[self.ranks.own])[self.index]

    def _sum_by_cluster(self, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        # There are at most as many clusters as candidates: to count them would wait for the device.
        # In double, since with few clusters the gradient is a small difference of large sums.
        sums = x.new_zeros(len(self.index), x.shape[1], dtype=torch.float64)
        return sums.index_add_(0, index, x.double())

    def stats(
        self,
        anchors: torch.Tensor,
        positive_sum: torch.Tensor,
        own: Union[torch.Tensor, float] = 0.0,
    ) -> dict[str, torch.Tensor]:
        """Return statistics of this process's anchors; ``own``: what each is not compared with."""
        compared = len(self.candidates) - self.excluded
        others = (compared - self.positives).sum()
        other_sum = (anchors * (self.candidates.sum(0) - own)).sum() - positive_sum.sum()
        anchors_here = (self.weight > 0).sum()
        return {
            "anchors": anchors_here.to(positive_sum.dtype),
            "positives": self.positives.sum() / anchors_here,
            "sim_pos": positive_sum.sum() / self.positives.sum(),
            # without others the sum is what rounding leaves of nothing, and its mean would be infinite
            "sim_neg": torch.where(others > 0, other_sum / others, torch.nan),
        }


def dense_index(labels: torch.Tensor) -> torch.Tensor:
    """Number the labels that occur from 0, (M,), without waiting for the device to count them."""
    ordered, order = labels.sort()
    is_new = torch.zeros_like(ordered)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return torch.empty_like(order).scatter_(0, order, is_new.cumsum(0))


def weighted_total(weight: torch.Tensor, lse: torch.Tensor) -> torch.Tensor:
    """Return the weighted sum of finite values; what has no weight may be infinite."""
    return torch.where(weight > 0, weight * lse, torch.zeros_like(lse)).sum()
