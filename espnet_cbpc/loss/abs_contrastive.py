# SPDX-License-Identifier: Apache-2.0
"""What the losses on embeddings share: which frames count, and how gradients are passed on."""

from abc import ABC, abstractmethod
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from espnet_cbpc.loss.ranks import Ranks

# Vectors shorter than this are not stretched to unit length: their gradient would overflow float16.
NORM_EPS = 1e-4


class PairedFrames(NamedTuple):
    """The valid frames of this process's part of a batch.

    Attributes:
        enhanced, clean: (N, D) without gradient; unit vectors, unless the loss takes them as they are.
        labels: (N,) their pseudo-labels, >= 0.
        utterances: (N,) the utterance each frame is from, ascending.
        ranks: the other processes' parts, if any.
        wants_enhanced, wants_clean: which gradients are to be made.
        centroids: (K, D) unit vectors of the clusters, where the loss needs them.
    """

    enhanced: torch.Tensor
    clean: torch.Tensor
    labels: torch.Tensor
    utterances: torch.Tensor
    ranks: Ranks
    wants_enhanced: bool
    wants_clean: bool
    centroids: Optional[torch.Tensor] = None


class Result(NamedTuple):
    """What a loss makes of its frames.

    Attributes:
        total: the sum over this process's anchors of their part of the mean over all anchors.
        grad_enhanced, grad_clean: (N, D) gradients of the mean over the anchors of all processes;
            None where they are not wanted or nothing depends on them.
        stats: scalars for logging.
    """

    total: torch.Tensor
    grad_enhanced: Optional[torch.Tensor]
    grad_clean: Optional[torch.Tensor]
    stats: dict[str, torch.Tensor]


class AbsContrastiveLoss(torch.nn.Module, ABC):
    """A loss between frames of enhanced speech and frames of the same clean speech.

    Subclasses define :meth:`value_and_gradients`. Choosing the valid frames and normalising them to
    unit length in float32 (or float64) are done here, once.

    In training mode under ``torch.distributed``, anchors are compared with the frames of all
    processes, which must call the loss together. The value is then that of the whole batch, on
    every process; the gradients are scaled for DistributedDataParallel, whose mean over processes
    makes them those of one process with the whole batch. In evaluation mode each process is by itself.

    Args:
        temperature: divides every cosine similarity; > 0.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    # Whether the loss looks at the clean embeddings, or at their labels only.
    needs_clean = True
    # Whether it looks at the tokenizer's centroids.
    needs_centroids = False
    # Whether embeddings are brought to unit length first.
    normalizes = True

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
        centroids: Optional[torch.Tensor] = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the loss of a batch.

        Args:
            enhanced: (B, T, D) embeddings of enhanced speech, not normalised; any float type.
            clean: (B, T, D) embeddings of the clean speech, frame by frame the same times.
            labels: (B, T) int64 pseudo-labels; -1 marks a frame that takes no part.
            lengths: (B,) valid frames of each utterance; what lies beyond is never read.
            centroids: (K, D) of the clusters that the labels number, in the space of the embeddings;
                no gradient reaches them. Only a loss with ``needs_centroids`` looks at them.

        Returns:
            The mean loss (a scalar; zero, with a gradient path, where no frame counts), and
            detached scalars for logging: ``anchors``, ``positives`` (per anchor), ``sim_pos``
            and ``sim_neg`` (mean cosine of positive and of all other pairs; nan without any).

        Raises:
            ValueError: the shapes do not agree, or centroids are needed and not given.
        """
        if not self.needs_centroids:
            centroids = None
        elif centroids is None:
            raise ValueError(f"{type(self).__name__} needs the tokenizer's centroids")
        check_shapes(enhanced, clean, labels, lengths)
        times = torch.arange(enhanced.shape[1], device=enhanced.device)
        valid = (times < lengths.to(enhanced.device)[:, None]) & (labels >= 0)  # (B, T)
        # The one place that waits for the device: how many frames there are.
        index = valid.flatten().nonzero()[:, 0]  # (N,)

        with torch.autocast(enhanced.device.type, enabled=False):
            prepare = unit_length if self.normalizes else at_least_float32
            a, c = (prepare(x.flatten(0, 1)[index]) for x in (enhanced, clean))  # (N, D)
            frames = PairedFrames(
                a.detach(),
                c.detach(),
                labels.flatten()[index],
                index // max(1, enhanced.shape[1]),
                Ranks(len(index), a.device, active=self.training),
                torch.is_grad_enabled() and a.requires_grad,
                torch.is_grad_enabled() and c.requires_grad,
                None if centroids is None else unit_length(centroids.detach()),
            )
            with torch.no_grad():
                result = self.value_and_gradients(frames)
                value = frames.ranks.total(result.total)
            size = frames.ranks.size
            loss = _KnownGradient.apply(
                value, a, c, result.grad_enhanced, result.grad_clean, float(size)
            )
        return loss, result.stats

    @abstractmethod
    def value_and_gradients(self, frames: PairedFrames) -> Result:
        """Return the mean loss over anchors and its gradients; called without autograd."""
        raise NotImplementedError


class _KnownGradient(torch.autograd.Function):
    """A scalar whose gradients for ``a`` and ``c`` were computed along with it."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, value, a, c, grad_a, grad_c, scale
    ):
        ctx.save_for_backward(grad_a, grad_c)
        ctx.scale = scale
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        grads = [None if g is None else g * (grad * ctx.scale) for g in ctx.saved_tensors]
        return (None, *grads, None, None, None)


def check_shapes(
    enhanced: torch.Tensor, clean: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor
) -> None:
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


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Return ``x`` in float32 unless it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def unit_length(x: torch.Tensor) -> torch.Tensor:
    """Return ``x`` (N, D) with rows of unit length, in float32 unless it is float64."""
    return F.normalize(at_least_float32(x), dim=1, eps=NORM_EPS)
