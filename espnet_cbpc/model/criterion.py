# SPDX-License-Identifier: Apache-2.0
"""A contrastive loss in its place in the joint model."""

from collections.abc import Sequence

import torch

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss


class Criterion(torch.nn.Module):
    """A loss over one or more layers, with its name and its weight.

    Args:
        name: in the statistics.
        loss: between enhanced and clean embeddings.
        weight: against the other losses, lambda in METHOD terms.
    """

    def __init__(self, name: str, loss: AbsContrastiveLoss, weight: float = 1.0):
        super().__init__()
        self.name = name
        self.loss = loss
        self.weight = weight

    def forward(
        self,
        layers: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
        labels: torch.Tensor,
        lengths: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Average the loss over layers.

        Args:
            layers: of each, enhanced and clean embeddings (B, T, D) and centroids (K, D).
            labels: (B, T) pseudo-labels, -1 for none.
            lengths: (B,) in frames.

        Returns:
            The loss, not yet weighted, and statistics: that loss (nan without anchors) and what
            the loss tells of the last layer.
        """
        parts = [self.loss(h, c, labels, lengths, m) for h, c, m in layers]
        loss = sum(part for part, _ in parts) / len(parts)
        stats = parts[-1][1]
        value = torch.where(stats["anchors"] > 0, loss.detach(), torch.nan)
        named = {f"{self.name}_{k}": v for k, v in stats.items()}
        return loss, {f"loss_{self.name}": value, **named}
