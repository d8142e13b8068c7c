# SPDX-License-Identifier: Apache-2.0
"""Categories of utterances, which decide the losses that they have references for."""

from collections.abc import Sequence
from typing import Optional

import torch

from espnet_cbpc.data.kaldi.kaldi_dir import CATEGORIES
from espnet_cbpc.utils.cli import UserError, listed

# SIMU: noisy speech made from clean speech, which is at hand: all losses.
# REAL: a noisy recording without clean reference: ASR loss only.
# CLEAN: clean speech, its own reference for the contrastive losses; no SE loss.
SIMU, REAL, CLEAN = map(CATEGORIES.index, ("SIMU", "REAL", "CLEAN"))


def category_index(name: str, utt_id: str) -> int:
    """Return the number of a category.

    Raises:
        UserError: unknown category, with the utterance that has it.
    """
    if name not in CATEGORIES:
        raise UserError(
            f"utterance {utt_id} is of category {name!r}: utt2category may hold "
            f"{', '.join(CATEGORIES)} only"
        )
    return CATEGORIES.index(name)


def category_of_id(utt_id: str) -> int:
    """Return the category that an id ends in, as in ESPnet's CHiME-4 recipes; else SIMU."""
    return next((i for i, name in enumerate(CATEGORIES) if utt_id.endswith(name)), SIMU)


def batch_categories(
    utt2category: Optional[torch.Tensor], utt_ids: Optional[Sequence[str]], batch_size: int
) -> torch.Tensor:
    """Return the category of each utterance of a batch.

    Args:
        utt2category: (B, 1) or (B,) numbers from the data loader, if it reads that file.
        utt_ids: else each id decides for its own utterance (:func:`category_of_id`).
        batch_size: B.

    Returns:
        (B,) int64 on the CPU.

    Raises:
        UserError: the loader gave a number that is no category.
    """
    if utt2category is not None:
        category = utt2category.reshape(batch_size).cpu()
        wrong = [int(c) for c in category if not 0 <= c < len(CATEGORIES)]
        if wrong:
            raise UserError(f"utt2category holds numbers that are no category: {listed(wrong)}")
        return category
    if utt_ids is None:
        return torch.full((batch_size,), SIMU)
    return torch.tensor([category_of_id(u) for u in utt_ids])
