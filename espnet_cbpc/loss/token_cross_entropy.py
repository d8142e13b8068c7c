# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy of acoustic tokens: pull an enhanced frame to its clean frame's centroid."""

import torch
import torch.nn.functional as F

from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss, PairedFrames, Result


class TokenCrossEntropyLoss(AbsContrastiveLoss):
    """Classify each enhanced frame as the acoustic token of its clean frame.

    With the cosine over ``temperature`` between the frame and centroid k as the score of token k::

        L_t = -log( exp(sim(a_t, m_q)) / sum_k exp(sim(a_t, m_k)) ),  q the pseudo-label of c_t

    That is knowledge distillation by hard acoustic tokens. Authors of the CBPC paper have published on
    distilling token knowledge; this form of it is ours.

    Args:
        temperature: divides every cosine similarity; > 0.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    needs_clean = False
    needs_centroids = True

    def value_and_gradients(self, frames: PairedFrames) -> Result:
        """See :meth:`AbsContrastiveLoss.value_and_gradients`; every frame is an anchor."""
        a, labels, centroids = frames.enhanced, frames.labels, frames.centroids
        assert centroids is not None  # forward has seen to it
        weight = 1.0 / max(1, frames.ranks.total_count)
        cosines = a @ centroids.T  # (N, K)
        scores = cosines / self.temperature
        grad = None
        if frames.wants_enhanced:
            surplus = scores.softmax(1)
            surplus[torch.arange(len(a), device=a.device), labels] -= 1.0
            grad = weight / self.temperature * (surplus @ centroids)
        total = weight * F.cross_entropy(scores, labels, reduction="sum")
        own = cosines.gather(1, labels[:, None]).sum()
        n, k = cosines.shape
        nan = cosines.new_tensor(float("nan"))
        stats = {
            "anchors": cosines.new_tensor(float(n)),
            "positives": cosines.new_tensor(1.0),
            "sim_pos": own / n if n else nan,
            "sim_neg": (cosines.sum() - own) / (n * (k - 1)) if n and k > 1 else nan,
            "accuracy": (scores.argmax(1) == labels).to(cosines.dtype).mean(),
        }
        return Result(total, grad, None, stats)
