# SPDX-License-Identifier: Apache-2.0
"""Kullback-Leibler divergence between a recogniser's posteriors of clean and enhanced speech."""

import torch
import torch.nn.functional as F


def self_distillation_loss(
    enhanced: torch.Tensor, clean: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Return how far the posteriors of enhanced speech are from those of the same clean speech.

    ``T^2 mean_n KL(softmax(clean_n / T) || softmax(enhanced_n / T))``, as Hinton et al. (2015)
    weigh soft targets; no gradient reaches the clean ones.

    Args:
        enhanced: (N, V) logits.
        clean: (N, V) logits.
        temperature: T > 0, which softens both.

    Returns:
        The loss, a scalar >= 0; zero, with a gradient path, where N is 0.
    """
    if len(enhanced) == 0:
        return enhanced.sum() * 0.0
    target = F.log_softmax(clean.detach().float() / temperature, dim=-1)
    output = F.log_softmax(enhanced.float() / temperature, dim=-1)
    divergence = F.kl_div(output, target, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
