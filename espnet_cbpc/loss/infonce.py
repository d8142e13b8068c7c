# SPDX-License-Identifier: Apache-2.0
"""InfoNCE between enhanced frames and the clean frames of the same time."""

from typing import Optional

import torch

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss, PairedFrames, Result
from espnet_cbpc.loss.streaming import Sums, exclude_same_label, logsumexp_of_rows


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

    def value_and_gradients(self, frames: PairedFrames) -> Result:
        """See :meth:`AbsContrastiveLoss.value_and_gradients`; every frame is an anchor."""
        a, c, ranks = frames.enhanced, frames.clean, frames.ranks
        weight = a.new_full((len(a),), 1.0 / max(1, ranks.total_count))
        if self.negatives == "batch":
            lse, grad_a, grad_c = self.against_batch(frames, weight)
        else:
            lse, grad_a, grad_c = self.against_utterance(frames, weight)
        positive = (a * c).sum(1)  # (N,)
        factor = (weight / self.temperature)[:, None]
        if frames.wants_enhanced:
            grad_a -= factor * c
        if frames.wants_clean:
            grad_c -= factor * a
        total = (weight * (lse - positive / self.temperature)).sum()
        return Result(total, grad_a, grad_c, similarity_stats(a, c, positive))

    def against_batch(self, frames: PairedFrames, weight: torch.Tensor) -> Sums:
        """Compare with the clean frames of the whole batch."""
        ranks, mask = frames.ranks, None
        if self.exclude_same_label:
            mask = exclude_same_label(ranks.gather(frames.labels), ranks.own)
        lse, grad_a, grad_c = logsumexp_of_rows(
            frames.enhanced,
            ranks.gather(frames.clean),
            weight,
            self.temperature,
            mask,
            frames.wants_enhanced,
            frames.wants_clean,
        )
        if frames.wants_clean:
            grad_c = ranks.total(grad_c)[ranks.own]
        return Sums(lse, grad_a, grad_c)

    def against_utterance(self, frames: PairedFrames, weight: torch.Tensor) -> Sums:
        """Compare with frames drawn from the same utterance."""
        counts = frames.utterances.unique_consecutive(return_counts=True)[1]  # of each utterance
        drawn = draw_others(counts, self.num_negatives)  # (N, M)
        parts, start = [], 0
        for count in counts.tolist():
            span = slice(start, start + count)
            times_drawn = TimesDrawn(
                drawn[span], frames.labels[span] if self.exclude_same_label else None
            )
            parts.append(
                logsumexp_of_rows(
                    frames.enhanced[span],
                    frames.clean[span],
                    weight[span],
                    self.temperature,
                    times_drawn,
                    frames.wants_enhanced,
                    frames.wants_clean,
                )
            )
            start += count
        if not parts:
            empty = torch.zeros_like(frames.enhanced)
            return Sums(weight, empty, empty.clone())
        return Sums(*(None if part[0] is None else torch.cat(part) for part in zip(*parts)))


def draw_others(counts: torch.Tensor, num: int) -> torch.Tensor:
    """Draw ``num`` other places of the same utterance for each frame, with replacement.

    Args:
        counts: frames of each utterance.

    Returns:
        (N, num) places within the utterance; an utterance of one frame has the frame itself.
    """
    n = int(counts.sum())
    count = counts.repeat_interleave(counts, output_size=n)  # (N,)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts, output_size=n)
    own = torch.arange(n, device=counts.device) - first
    draw = torch.rand(n, num, device=counts.device)
    step = (draw * (count - 1)[:, None]).long() + 1  # 1 .. count - 1: never the frame itself
    return (own[:, None] + step) % count[:, None]


class TimesDrawn:
    """As a mask: every candidate counts as often as it was drawn, the frame's own one once.

    Args:
        drawn: (T, num) places in the utterance.
        labels: (T,) leave out what carries the frame's own label; None: do not.
    """

    def __init__(self, drawn: torch.Tensor, labels: Optional[torch.Tensor]):
        self.drawn, self.labels = drawn, labels

    def __call__(self, similarities: torch.Tensor, rows: slice) -> None:
        """Add the logarithm of how often: m exp(s) = exp(s + log m), and log 0 excludes."""
        drawn = self.drawn[rows]
        times = torch.zeros_like(similarities)
        times.scatter_add_(1, drawn, times.new_ones(()).expand(drawn.shape))
        if self.labels is not None:
            times *= self.labels[rows, None] != self.labels[None, :]
        times.diagonal(rows.start).fill_(1.0)
        similarities += times.log_()


def similarity_stats(
    a: torch.Tensor, c: torch.Tensor, positive: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return statistics of this process's frames."""
    n = len(positive)
    nan = positive.new_tensor(float("nan"))
    other_sum = (a.sum(0) * c.sum(0)).sum() - positive.sum()
    return {
        "anchors": positive.new_tensor(float(n)),
        "positives": positive.new_tensor(1.0),
        "sim_pos": positive.sum() / n if n else nan,
        "sim_neg": other_sum / (n * n - n) if n > 1 else nan,
    }
