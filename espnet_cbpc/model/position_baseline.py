# SPDX-License-Identifier: Apache-2.0
"""The losses of a model that knows only the position in the utterance."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from espnet_cbpc.loss.feature_matching import FeatureMatchingLoss
from espnet_cbpc.loss.infonce import InfoNCELoss
from espnet_cbpc.tokenizer.position_means import PositionMeans

BATCH = 12  # utterances that are contrasted
LEAST = 5  # other utterances that reach a position, for a frame of it to count


def position_baseline(
    utterances: Sequence[torch.Tensor], temperature: float = 0.1
) -> dict[str, Any]:
    """Return what the losses are where enhanced frames are but the mean frame of their position.

    A contrastive loss or feature matching that such a model lowers can be lowered by time alone,
    without anything of the speech.

    Args:
        utterances: (T, D) embeddings of clean speech as the losses compare them: centred.
        temperature: of infoNCE.

    Returns:
        ``infonce`` with negatives from batches of 12 utterances, ``infonce_chance`` (the logarithm
        of the number of candidates), ``feature_matching`` by cosine (1 is chance); None where
        positions have too few utterances.
    """
    longest = max((len(c) for c in utterances), default=0)
    means = PositionMeans(utterances[0].shape[1], longest) if longest else None
    for c in utterances:
        means.add(c.float(), torch.ones(len(c)))
    found: dict[str, list[float]] = {"infonce": [], "infonce_chance": [], "feature_matching": []}
    for start in range(0, len(utterances), BATCH):
        pairs = [_known(c.float(), means) for c in utterances[start : start + BATCH]]
        known, clean = (torch.cat(part)[None] for part in zip(*pairs))
        if clean.shape[1] < 2:
            continue
        labels, lengths = (
            torch.zeros(clean.shape[:2], dtype=torch.long),
            torch.tensor([clean.shape[1]]),
        )
        for name, loss in (
            ("infonce", InfoNCELoss(temperature=temperature, negatives="batch")),
            ("feature_matching", FeatureMatchingLoss(distance="cosine")),
        ):
            found[name].append(float(loss(known, clean, labels, lengths)[0]))
        found["infonce_chance"].append(math.log(clean.shape[1]))
    return {name: sum(of) / len(of) if of else None for name, of in found.items()}


def _known(c: torch.Tensor, means: PositionMeans):
    """Return the mean of the other utterances at each position, and the frames there."""
    others = means.counts[: len(c)] - 1
    enough = others >= LEAST
    mean = (means.sums[: len(c)] - c) / others.clamp(min=1.0)[:, None]
    return mean[enough], c[enough]
