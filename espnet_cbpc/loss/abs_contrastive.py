"""What the contrastive losses share: which frames count, and how frame losses are reduced."""

from abc import ABC, abstractmethod
from typing import Dict, Tuple

import torch
import torch.nn.functional as F

# Vectors shorter than this are not stretched to unit length (their gradient would explode).
NORM_EPS = 1e-6


class AbsContrastiveLoss(torch.nn.Module, ABC):
    """A loss between frames of enhanced speech and frames of the same clean speech.

    Subclasses define :meth:`frame_losses`. Choosing the valid frames, normalising them to unit
    length in float32 (or float64), and taking the mean are done here, once.

    Args:
        temperature: divides every cosine similarity; > 0.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    def __init__(self, temperature: float = 0.1):
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, but is {temperature}")
        self.temperature = temperature

    def forward(
        self,
        enhanced: torch.Tensor,
        clean: torch.Tensor,
        labels: torch.Tensor,
        lengths: torch.Tensor,
    ) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """Compute the loss of a batch.

        Args:
            enhanced: (B, T, D) embeddings of enhanced speech, not normalised; any float type.
            clean: (B, T, D) embeddings of the clean speech, frame by frame the same times.
            labels: (B, T) int64 pseudo-labels; -1 marks a frame that takes no part.
            lengths: (B,) valid frames of each utterance; what lies beyond is never read.

        Returns:
            The mean loss (a scalar; zero, with a gradient path, where no frame counts), and
            detached scalars for logging: ``anchors``, ``positives`` (per anchor), ``sim_pos``
            and ``sim_neg`` (mean cosine of positive and of all other pairs; nan without any).

        Raises:
            ValueError: the shapes do not agree.
        """
        check_shapes(enhanced, clean, labels, lengths)
        times = torch.arange(enhanced.shape[1], device=enhanced.device)
        valid = (times < lengths.to(enhanced.device)[:, None]) & (labels >= 0)  # (B, T)
        utterances = valid.nonzero()[:, 0]  # (N,) the utterance of each valid frame

        with torch.autocast(enhanced.device.type, enabled=False):
            a, c = unit_length(enhanced[valid]), unit_length(clean[valid])  # (N, D)
            losses, is_anchor, stats = self.frame_losses(a, c, labels[valid], utterances)
            count = is_anchor.sum()
            losses = torch.where(is_anchor, losses, torch.zeros_like(losses))
            # a.sum() * 0: without any frame there still is a path for the gradient
            loss = losses.sum() / count.clamp(min=1) + a.sum() * 0
        stats = {"anchors": count.to(loss.dtype), **stats}
        return loss, {k: v.detach() for k, v in stats.items()}

    @abstractmethod
    def frame_losses(
        self,
        enhanced: torch.Tensor,
        clean: torch.Tensor,
        labels: torch.Tensor,
        utterances: torch.Tensor,
    ) -> Tuple[torch.Tensor, torch.Tensor, Dict[str, torch.Tensor]]:
        """Return the loss of each anchor, which of them count, and statistics.

        Args:
            enhanced, clean: (N, D) unit vectors of the valid frames.
            labels: (N,) their pseudo-labels, >= 0.
            utterances: (N,) the utterance each frame is from, ascending.

        Returns:
            (A,) finite wherever it counts, (A,) bool, and a dict of scalars.
        """
        raise NotImplementedError


def check_shapes(enhanced, clean, labels, lengths) -> None:
    """Raise ValueError unless the four arguments describe one batch."""
    if enhanced.dim() != 3 or enhanced.shape != clean.shape:
        raise ValueError(
            "enhanced and clean must both be (B, T, D), but are "
            f"{tuple(enhanced.shape)} and {tuple(clean.shape)}"
        )
    if labels.shape != enhanced.shape[:2] or lengths.shape != enhanced.shape[:1]:
        raise ValueError(
            f"for embeddings of {tuple(enhanced.shape)}, labels must be (B, T) and lengths (B,), "
            f"but are {tuple(labels.shape)} and {tuple(lengths.shape)}"
        )


def unit_length(x: torch.Tensor) -> torch.Tensor:
    """Return ``x`` (N, D) with rows of unit length, in float32 unless it is float64."""
    return F.normalize(x if x.dtype == torch.float64 else x.float(), dim=1, eps=NORM_EPS)
