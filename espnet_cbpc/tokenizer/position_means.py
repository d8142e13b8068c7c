# SPDX-License-Identifier: Apache-2.0
"""The part of encoder frames that depends on the position in the utterance, and its removal."""

from collections.abc import Iterable, Iterator
from typing import Optional

import numpy as np
import torch

# Utterances that the global mean counts as, so that positions which few have reached stay near it.
PRIOR = 10.0


class PositionMeans(torch.nn.Module):
    """Means of clean frames by their position from the start of the utterance.

    Encoders with absolute positional embeddings, as Whisper's, carry the position through to their
    outputs. Clusters of such frames stand for positions as much as for sounds, and a contrastive loss
    between frames of equal time can be lowered by telling times apart. Taking the mean frame of each
    position out leaves what differs between utterances.

    The sums are float buffers and belong to the checkpoint.

    Args:
        feature_dim: dimensions of a frame, D.
        positions: how many are kept, P; frames beyond them are left as they are.

    Raises:
        ValueError: ``positions`` is not positive.
    """

    def __init__(self, feature_dim: int, positions: int = 1500):
        super().__init__()
        if positions < 1:
            raise ValueError(f"positions is {positions}: must be at least 1")
        self.register_buffer("sums", torch.zeros(positions, feature_dim))
        self.register_buffer("counts", torch.zeros(positions))

    @torch.no_grad()
    def add(self, sums: torch.Tensor, counts: torch.Tensor) -> None:
        """Take in (T, D) sums over utterances of frames by position, and how many they are, (T,)."""
        kept = min(len(sums), len(self.sums))
        self.sums[:kept] += sums[:kept]
        self.counts[:kept] += counts[:kept]

    @property
    def deviations(self) -> torch.Tensor:
        """How the mean of each position differs from that of all, (P, D)."""
        mean = self.sums.sum(0) / self.counts.sum().clamp(min=1.0)
        return (self.sums - self.counts[:, None] * mean) / (self.counts[:, None] + PRIOR)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return (..., T, D) frames, from the start of each utterance, without their positions."""
        known = self.deviations[: frames.shape[-2]].to(frames.dtype)
        if len(known) == frames.shape[-2]:
            return frames - known
        head, tail = frames[..., : len(known), :], frames[..., len(known) :, :]
        return torch.cat((head - known, tail), dim=-2)

    @classmethod
    def of(cls, features: Iterable[np.ndarray], positions: int) -> Optional["PositionMeans"]:
        """Return those of a stream of (T, D) arrays, one per utterance, in memory of P frames."""
        means = None
        for h in features:
            h = torch.as_tensor(h, dtype=torch.float32)
            means = means or cls(h.shape[1], positions)
            means.add(h, torch.ones(len(h)))
        return means


class WithoutPositions:
    """A stream of (T, D) arrays without the means of their positions, as often as needed.

    Args:
        features: the arrays, an iterable that restarts each time.
        means: of their positions.
    """

    def __init__(self, features: Iterable[np.ndarray], means: PositionMeans):
        self.features, self.means = features, means

    def __len__(self) -> int:
        return len(self.features)  # type: ignore[arg-type]  # asked where they have one

    def __iter__(self) -> Iterator[np.ndarray]:
        for h in self.features:
            yield self.means(torch.as_tensor(h, dtype=torch.float32)).numpy()
