# SPDX-License-Identifier: Apache-2.0
"""Interface of acoustic tokenizers."""

from abc import ABC, abstractmethod

import torch


class AbsAcousticTokenizer(torch.nn.Module, ABC):
    """Turns frames of ASR encoder outputs into discrete pseudo-labels."""

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """Number of dimensions of the frames it labels."""
        raise NotImplementedError

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Keyword arguments that build an empty tokenizer of the same size."""
        raise NotImplementedError

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether it has been fitted (or loaded from a fitted one)."""
        raise NotImplementedError

    @property
    @abstractmethod
    def mean(self) -> torch.Tensor:
        """The mean of the clusters, (D,)."""
        raise NotImplementedError

    def seen(self, h: torch.Tensor) -> torch.Tensor:
        """Return (..., T, D) frames, from the start of each utterance, as they are labelled."""
        return h

    @abstractmethod
    def forward(self, h: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Label frames.

        Args:
            h: (B, T, D) encoder outputs.
            lengths: (B,) valid frames of each utterance.

        Returns:
            (B, T) int64 labels; -1 on padding.
        """
        raise NotImplementedError
