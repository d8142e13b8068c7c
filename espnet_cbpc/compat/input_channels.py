# SPDX-License-Identifier: Apache-2.0
"""How many channels of speech an SE model of ESPnet takes, and in which shape."""

from dataclasses import dataclass
from typing import Optional

import torch

from espnet_cbpc.utils.cli import UserError

PROVEN_ON = ("202511", "202611")

# by name, as importing them all takes a while
ANY_NUMBER = ("NeuralBeamformer", "FaSNetSeparator", "USESSeparator", "USES2Separator")
ALWAYS_AN_AXIS = ("FaSNetSeparator", "iNeuBe")  # one channel is (B, N, 1) for them


@dataclass(frozen=True)
class InputChannels:
    """What an SE model takes.

    Attributes:
        model: what it is, for messages.
        count: of channels; None: any number.
        reference: the channel, from 0, that the enhanced speech is to be like; -1: the last, or what
            the model chooses.
        has_axis: whether one channel has an axis of its own.
        passes_one: whether one channel is let through as it is, since there is nothing to beamform.
    """

    model: str
    count: Optional[int]
    reference: int = 0
    has_axis: bool = False
    passes_one: bool = False

    @property
    def takes_several(self) -> bool:
        """Return whether multichannel speech makes sense."""
        return self.count != 1

    def __str__(self) -> str:
        """Return what is taken, in words; nothing where it is one channel."""
        if not self.takes_several:
            return ""
        count = "any number of" if self.count is None else str(self.count)
        reference = (
            f"channel {self.reference} (from 0 on)" if self.reference >= 0 else "of its choice"
        )
        return f"{count} channels, the reference {reference}"

    def check(self, speech: torch.Tensor, learns: bool = False) -> None:
        """Raise ``UserError`` where the model does not take as many channels as ``speech`` has.

        Args:
            speech: (B, N) or (B, N, C).
            learns: whether the model is to be trained on it.
        """
        count = 1 if speech.dim() == 2 else speech.shape[2]
        if self.count not in (None, count):
            raise UserError(
                f"speech of {_channels(count)}, but the SE model ({self.model}) takes "
                f"{_channels(self.count)}: give it that many (transcribe: --channels), or use "
                "another model"
            )
        if learns and count == 1 and self.passes_one:
            raise UserError(
                f"speech of 1 channel, from which the SE model ({self.model}) learns nothing: give "
                "all channels of the array"
            )
        if 1 < count <= self.reference:
            raise UserError(
                f"speech of {_channels(count)}, but the reference of the SE model ({self.model}) "
                f"is channel {self.reference}, from 0 on: give all channels that it was trained on"
            )

    def fitted(self, speech: torch.Tensor) -> torch.Tensor:
        """Return speech (B, N) or (B, N, C) in the shape that the model takes."""
        if speech.dim() == 2:
            speech = speech[..., None]
        return speech[..., 0] if speech.shape[2] == 1 and not self.has_axis else speech


def _channels(count: int) -> str:
    return f"{count} channel" + ("s" if count > 1 else "")


def input_channels(enh_model: torch.nn.Module) -> InputChannels:
    """Return what an ``ESPnetEnhancementModel`` takes."""
    separator = enh_model.separator
    name = type(separator).__name__
    count = None if name in ANY_NUMBER else _fixed_count(separator)
    return InputChannels(
        name,
        count,
        0 if count == 1 else enh_model.ref_channel,
        name in ALWAYS_AN_AXIS,
        name == "NeuralBeamformer" and not separator.use_wpe,
    )


def _fixed_count(separator: torch.nn.Module) -> int:
    if type(separator).__name__ == "DC_CRNSeparator":  # real and imaginary parts
        convolution = next(m for m in separator.modules() if isinstance(m, torch.nn.Conv2d))
        return convolution.in_channels // 2
    if type(separator).__name__ == "iNeuBe":
        return separator.dnn1.mic_channels
    return getattr(separator, "n_imics", 1)  # TF-GridNet says it so


def one_channel(speech: torch.Tensor, channel: int) -> torch.Tensor:
    """Return a channel of speech (B, N, C), or its only one; (B, N) as it is."""
    if speech.dim() == 2:
        return speech
    return speech[..., channel if speech.shape[2] > 1 else 0]


def gives_masks_in_training(enh_model: torch.nn.Module) -> bool:
    """Return whether an SE model gives no speech while it is trained."""
    loss_type = getattr(enh_model.separator, "loss_type", None)
    return isinstance(loss_type, str) and loss_type.startswith("mask")
