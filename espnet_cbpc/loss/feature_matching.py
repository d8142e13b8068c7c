# SPDX-License-Identifier: Apache-2.0
"""Distance of enhanced frames to the clean frames of the same time: the baseline without negatives."""

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss, PairedFrames, Result, unit_length
from espnet_cbpc.loss.infonce import similarity_stats

DISTANCES = ("cosine", "mse")


class FeatureMatchingLoss(AbsContrastiveLoss):
    """Draw each enhanced frame to its clean frame, whatever the other frames are.

    This is the perceptual or mimic loss of joint training (Bagchi et al., "Spectral feature mapping
    with mimic loss for robust speech recognition", ICASSP 2018), on encoder outputs, kept here as
    what a contrastive loss must beat.

    Args:
        distance: ``cosine``: 1 minus the cosine of the two embeddings; ``mse``: their mean squared
            difference, with their lengths as they are.

    Raises:
        ValueError: an unknown distance.
    """

    def __init__(self, distance: str = "cosine"):
        super().__init__()
        if distance not in DISTANCES:
            raise ValueError(f"distance must be one of {DISTANCES}, but is {distance!r}")
        self.distance = distance
        self.normalizes = distance == "cosine"

    def value_and_gradients(self, frames: PairedFrames) -> Result:
        """See :meth:`AbsContrastiveLoss.value_and_gradients`; every frame is an anchor."""
        a, c = frames.enhanced, frames.clean
        weight = 1.0 / max(1, frames.ranks.total_count)
        unit_a, unit_c = unit_length(a), unit_length(c)
        cosines = (unit_a * unit_c).sum(1)  # (N,)
        if self.distance == "cosine":
            distances = 1.0 - cosines
            grad_a, grad_c = -weight * c, -weight * a
        else:
            distances = (a - c).square().mean(1)
            grad_a = 2 * weight / a.shape[1] * (a - c)
            grad_c = -grad_a
        return Result(
            weight * distances.sum(),
            grad_a if frames.wants_enhanced else None,
            grad_c if frames.wants_clean else None,
            similarity_stats(unit_a, unit_c, cosines),
        )
