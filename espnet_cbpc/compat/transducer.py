# SPDX-License-Identifier: Apache-2.0
"""Transducers in the joint task, where ESPnet lacks them, and a loss that pip can install."""

import importlib.machinery
import importlib.util
import sys
import types

import torch
from espnet2.tasks import enh_s2t
from torchaudio.functional import rnnt_loss

PROVEN_ON = ("202511", "202611")

NAME = "warprnnt_pytorch"


class RNNTLoss(torch.nn.Module):
    """The loss that ESPnet takes from ``warprnnt_pytorch``, computed by torchaudio.

    Graves, "Sequence Transduction with Recurrent Neural Networks", 2012. ``warprnnt_pytorch`` has to
    be compiled by hand, and where it was, ESPnet uses it.

    Args:
        blank: index of the blank token.
        fastemit_lambda: must be 0, as ESPnet sets it.

    Raises:
        ValueError: another ``fastemit_lambda``.
    """

    def __init__(self, blank: int = 0, fastemit_lambda: float = 0.0):
        super().__init__()
        if fastemit_lambda != 0.0:
            raise ValueError(f"fastemit_lambda is {fastemit_lambda}, but must be 0")
        self.blank = blank

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        logit_lengths: torch.Tensor,
        target_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean over utterances.

        Args:
            logits: (B, T, U + 1, V), not normalised.
            targets: (B, U) int32 tokens.
            logit_lengths, target_lengths: (B,) int32.
        """
        # torchaudio wants float32, also under autocast, and nothing beyond the longest.
        frames, tokens = int(logit_lengths.max()), int(target_lengths.max())
        logits = logits.float()[:, :frames, : tokens + 1].contiguous()
        targets = targets[:, :tokens].contiguous()
        return rnnt_loss(logits, targets, logit_lengths, target_lengths, blank=self.blank)


def support_transducers() -> None:
    """Let ESPnet's joint task build ASR models with a transducer; calling it again is harmless."""
    if "joint_net_conf" not in enh_s2t.asr_attributes:
        enh_s2t.asr_attributes.append("joint_net_conf")
    if NAME not in sys.modules and importlib.util.find_spec(NAME) is None:
        stand_in = types.ModuleType(NAME, RNNTLoss.__doc__)
        stand_in.__spec__ = importlib.machinery.ModuleSpec(NAME, None)  # find_spec asks for it
        stand_in.RNNTLoss = RNNTLoss  # type: ignore[attr-defined]
        sys.modules[NAME] = stand_in
