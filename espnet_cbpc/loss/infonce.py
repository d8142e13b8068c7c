"""InfoNCE between enhanced frames and the clean frames of the same time."""

from typing import Dict, Tuple

import torch

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss
from espnet_cbpc.loss.streaming import streaming_logsumexp


class InfoNCELoss(AbsContrastiveLoss):
    """Tell the clean frame of the same time from other clean frames.

    For the enhanced frame a_t and clean frames c_j::

        L_t = -log( exp(sim(a_t, c_t)) / sum_{j in N(t) or j = t} exp(sim(a_t, c_j)) )

    with sim the cosine over ``temperature`` (van den Oord et al., "Representation Learning with
    Contrastive Predictive Coding", 2018). What N(t) is, is our choice:

    Args:
        temperature: divides every cosine similarity; > 0.
        negatives: ``batch``: all other valid clean frames of the batch; ``utterance``:
            ``num_negatives`` drawn with replacement from the other frames of the utterance, as
            wav2vec 2.0 does (Baevski et al., 2020), by PyTorch's global generator.
        num_negatives: how many to draw for ``negatives="utterance"``; >= 1.
        exclude_same_label: drop negatives that carry the anchor's own pseudo-label.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> loss, stats = InfoNCELoss(0.1)(enhanced, clean, labels, lengths)
    """

    def __init__(
        self,
        temperature: float = 0.1,
        negatives: str = "batch",
        num_negatives: int = 100,
        exclude_same_label: bool = False,
    ):
        super().__init__(temperature)
        if negatives not in ("batch", "utterance"):
            raise ValueError(f"negatives must be 'batch' or 'utterance', but is {negatives!r}")
        if num_negatives < 1:
            raise ValueError(f"num_negatives must be at least 1, but is {num_negatives}")
        self.negatives = negatives
        self.num_negatives = num_negatives
        self.exclude_same_label = exclude_same_label

    def frame_losses(
        self, enhanced, clean, labels, utterances
    ) -> Tuple[torch.Tensor, torch.Tensor, Dict[str, torch.Tensor]]:
        """See :meth:`AbsContrastiveLoss.frame_losses`; every frame is an anchor (A = N)."""
        positive = (enhanced * clean).sum(1)  # (N,)
        excluded = labels if self.exclude_same_label else None
        if self.negatives == "batch":
            lse = streaming_logsumexp(enhanced, clean, self.temperature, labels=excluded)
        else:
            negatives = self.sampled_similarities(enhanced, clean, labels, utterances)  # (N, M)
            lse = torch.cat([positive[:, None] / self.temperature, negatives], 1).logsumexp(1)
        is_anchor = torch.ones_like(labels, dtype=torch.bool)
        with torch.no_grad():
            n = len(positive)
            other_sum = (enhanced.sum(0) * clean.sum(0)).sum() - positive.sum()
            stats = {
                "positives": positive.new_tensor(1.0),
                "sim_pos": positive.sum() / n if n else positive.new_tensor(float("nan")),
                "sim_neg": other_sum / (n * n - n) if n > 1 else other_sum.new_tensor(float("nan")),
            }
        return lse - positive / self.temperature, is_anchor, stats

    def sampled_similarities(self, enhanced, clean, labels, utterances) -> torch.Tensor:
        """Return similarities over the temperature with drawn negatives, (N, num_negatives).

        A drawn frame that must not count (label excluded, or an utterance of one frame) is -inf.
        """
        # Frames of an utterance are neighbours: a draw is an offset within its own segment.
        _, segment, counts = utterances.unique_consecutive(return_inverse=True, return_counts=True)
        first = (counts.cumsum(0) - counts)[segment]  # (N,)
        count = counts[segment]
        own = torch.arange(len(enhanced), device=enhanced.device) - first
        draw = torch.rand(len(enhanced), self.num_negatives, device=enhanced.device)
        step = (draw * (count - 1)[:, None]).long() + 1  # 1 .. count - 1: never the frame itself
        index = first[:, None] + (own[:, None] + step) % count[:, None]  # (N, M)
        rows = []
        for start, size in zip((counts.cumsum(0) - counts).tolist(), counts.tolist()):
            span = slice(start, start + size)
            sim = enhanced[span] @ clean[span].T / self.temperature  # (t, t)
            rows.append(sim.gather(1, index[span] - start))
        similarities = torch.cat(rows) if rows else enhanced.new_zeros(0, self.num_negatives)
        invalid = (count == 1)[:, None].expand_as(index)
        if self.exclude_same_label:
            invalid = invalid | (labels[index] == labels[:, None])
        return similarities.masked_fill(invalid, -torch.inf)
