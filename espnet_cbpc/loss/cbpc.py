"""Cluster-based pairwise contrastive loss."""

from typing import Dict, Tuple

import torch

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss
from espnet_cbpc.loss.streaming import streaming_logsumexp


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
            candidates the clean ones, that of the same time included.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> loss, stats = CBPCLoss(0.1)(enhanced, clean, labels, lengths)
    """

    def __init__(self, temperature: float = 0.1, pairs: str = "all"):
        super().__init__(temperature)
        if pairs not in ("all", "cross"):
            raise ValueError(f"pairs must be 'all' or 'cross', but is {pairs!r}")
        self.pairs = pairs

    def frame_losses(
        self, enhanced, clean, labels, utterances
    ) -> Tuple[torch.Tensor, torch.Tensor, Dict[str, torch.Tensor]]:
        """See :meth:`AbsContrastiveLoss.frame_losses`; A is 2 N for ``pairs="all"``, else N."""
        if self.pairs == "all":
            anchors = candidates = torch.cat([enhanced, clean])  # (2N, D)
            labels = labels.repeat(2)
        else:
            anchors, candidates = enhanced, clean
        own = anchors if self.pairs == "all" else 0.0  # what an anchor must not be compared with
        own_count = 1 if self.pairs == "all" else 0

        # 1. Positives by sums over clusters: sum_p a.z_p = a.(S_q - own)
        clusters, index = labels.unique(return_inverse=True)  # (K,), (A,)
        sums = candidates.new_zeros(len(clusters), candidates.shape[1])
        sums = sums.index_add(0, index, candidates)  # (K, D)
        positives = torch.bincount(index, minlength=len(clusters))[index] - own_count  # (A,)
        positive_sum = (anchors * (sums[index] - own)).sum(1)  # (A,)
        positive_mean = positive_sum / positives.clamp(min=1)

        # 2. The denominator, over all candidates
        lse = streaming_logsumexp(anchors, candidates, self.temperature, self.pairs == "all")

        # 3. Reduce
        is_anchor = positives > 0
        losses = torch.where(is_anchor, lse, torch.zeros_like(lse)) - (
            positive_mean / self.temperature
        )
        with torch.no_grad():
            others = len(candidates) - own_count - positives
            other_sum = (anchors * (candidates.sum(0) - own)).sum(1) - positive_sum
            stats = {
                "positives": positives.to(losses.dtype).sum() / is_anchor.sum(),
                "sim_pos": positive_sum.sum() / positives.sum(),
                "sim_neg": other_sum.sum() / others.sum(),
            }
        return losses, is_anchor, stats
