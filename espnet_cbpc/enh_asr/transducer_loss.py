"""The transducer loss that ESPnet asks for, from torchaudio where warprnnt_pytorch is absent."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch
from torchaudio.functional import rnnt_loss

NAME = "warprnnt_pytorch"


class RNNTLoss(torch.nn.Module):
    """Mean loss of a recurrent neural network transducer (Graves, 2012, arXiv:1211.3711).

    Args:
        blank: id of the blank token.
        fastemit_lambda: regularisation that torchaudio does not have: 0 only.

    Raises:
        ValueError: a ``fastemit_lambda`` other than 0.
    """

    def __init__(self, blank: int = 0, fastemit_lambda: float = 0.0):
        super().__init__()
        if fastemit_lambda:
            raise ValueError(f"fastemit_lambda {fastemit_lambda}: install {NAME} for it, or use 0")
        self.blank = blank

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        logit_lengths: torch.Tensor,
        target_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean over the batch of the negative log-likelihood.

        Args:
            logits: (B, T, U + 1, V) output of the joint network, before softmax.
            targets: (B, U) token ids, whatever beyond their lengths.
            logit_lengths: (B,) frames.
            target_lengths: (B,) tokens.
        """
        integers = (x.int().contiguous() for x in (targets, logit_lengths, target_lengths))
        return rnnt_loss(logits.float().contiguous(), *integers, blank=self.blank)


def provide_transducer_loss() -> None:
    """Let ESPnet build transducer models: it imports a package for the loss even to decode.

    Where ``warprnnt_pytorch`` is not installed, :class:`RNNTLoss` takes its name.
    """
    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        return
    module = ModuleType(NAME)
    module.RNNTLoss = RNNTLoss
    module.__spec__ = ModuleSpec(NAME, None)  # for others who look whether it is there
    sys.modules[NAME] = module
