# SPDX-License-Identifier: Apache-2.0
"""Within-cluster covariance normalisation of embeddings."""

import torch

from espnet_cbpc.loss.ranks import Ranks

DECAY = 0.99  # of the covariance, per training batch
EVERY = 20  # training batches between two decompositions


class WithinClusterNorm(torch.nn.Module):
    """Scales embeddings so that clean frames of one cluster scatter equally in all directions.

    What differs within a cluster (speaker, position in the word) then counts less against what tells
    clusters apart: the within-class covariance normalisation of speaker recognition (Hatch et al.,
    "Within-class covariance normalization for SVM-based speaker recognition", Interspeech 2006), with
    acoustic tokens as classes. The covariance is a moving average over training batches, and belongs
    to the checkpoint.

    Args:
        size: dimensions of an embedding, D.
        shrinkage: share in [0, 1] of the mean variance that is put in place of each direction's own;
            1 leaves embeddings as they are, but for one factor.

    Raises:
        ValueError: ``shrinkage`` out of range.
    """

    def __init__(self, size: int, shrinkage: float):
        super().__init__()
        if not 0.0 <= shrinkage <= 1.0:
            raise ValueError(f"shrinkage must be in [0, 1], but is {shrinkage}")
        self.shrinkage = shrinkage
        self.register_buffer("covariance", torch.zeros(size, size))
        self.register_buffer("weight", torch.zeros(()))  # of the batches so far, below 1
        self.register_buffer("transform", torch.eye(size))
        # In the checkpoint, so that a resumed training decomposes when it would have; a float, as
        # checkpoints are averaged.
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def follow(
        self, clean: torch.Tensor, labels: torch.Tensor, centroids: torch.Tensor, ranks: Ranks
    ) -> None:
        """Take in a training batch.

        Args:
            clean: (B, T, D) clean embeddings.
            labels: (B, T) their pseudo-labels, -1 for none.
            centroids: (K, D) of the clusters.
            ranks: all processes, whose batches are taken in together.
        """
        valid = labels >= 0
        scatter = (clean[valid] - centroids[labels[valid]]).float()
        count = ranks.total(scatter.new_tensor([float(len(scatter))]))
        covariance = ranks.total(scatter.T @ scatter) / count.clamp(min=1.0)
        self.covariance.lerp_(covariance, 1.0 - DECAY)
        self.weight.lerp_(torch.ones_like(self.weight), 1.0 - DECAY)
        if int(self.batches) % EVERY == 0:
            self.decompose()
        self.batches += 1.0

    def decompose(self) -> None:
        """Set the transform to the inverse square root of the shrunken covariance."""
        covariance = self.covariance / self.weight.clamp(min=1e-6)
        mean = covariance.diagonal().mean().clamp(min=1e-6)
        size = len(covariance)
        eye = torch.eye(size, device=covariance.device)
        shrunken = (1.0 - self.shrinkage) * covariance / mean + self.shrinkage * eye
        values, vectors = torch.linalg.eigh(shrunken)
        self.transform.copy_(vectors * values.clamp(min=1e-3).rsqrt() @ vectors.T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform embeddings (..., D)."""
        return x @ self.transform.to(x.dtype)
