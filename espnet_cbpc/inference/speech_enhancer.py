# SPDX-License-Identifier: Apache-2.0
"""An SE model as inference uses it: channels, levels, padding and observation adding."""

import logging
from typing import Any, Optional

import torch

from espnet_cbpc.compat.input_channels import input_channels, one_channel
from espnet_cbpc.utils.cli import UserError


class SpeechEnhancer:
    """Enhances batches of speech.

    Args:
        enh_model: of ESPnet; None leaves the speech as it is.
        device: a torch device name.
        share: of noisy speech in what is returned, w of observation adding.
        normalizes: whether the model was trained on speech of the level that its options ask for.
        name: of the model, for messages.

    Raises:
        UserError: a model of several speakers.
    """

    def __init__(
        self,
        enh_model: Optional[Any],
        device: str = "cpu",
        share: float = 0.0,
        normalizes: bool = True,
        name: str = "the SE model",
    ):
        if enh_model is not None and enh_model.num_spk != 1:
            raise UserError(f"{name}: num_spk is {enh_model.num_spk}, 1 is needed")
        self.enh_model = None if enh_model is None else enh_model.to(device)
        self.device, self.share, self._normalizes = device, share, normalizes
        self.channels = None if enh_model is None else input_channels(enh_model)
        self.ref_channel = 0 if self.channels is None else self.channels.reference
        self._has_told_of_one_channel = False

    @property
    def takes_several_channels(self) -> bool:
        """Return whether an SE model makes use of more than one channel."""
        return self.enh_model is not None and self.channels.takes_several

    @torch.no_grad()
    def enhance(self, speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return what the ASR model is to hear: enhanced speech, with observation adding.

        Args:
            speech: (B, N) or (B, N, C).
            lengths: (B,) longest first, as ESPnet's recurrent layers want it.

        Returns:
            (B, N) on the device; without an SE model the reference channel as it is.

        Raises:
            UserError: a number of channels that the SE model does not take.
        """
        noisy = self.reference_channel(speech, lengths)
        if self.enh_model is None:
            return noisy
        lengths = lengths.to(self.device)
        if self.channels.takes_several:
            speech = silence_padding(speech.to(self.device), lengths)
        else:
            speech = noisy
        speech = self.channels.fitted(speech)
        self._tell_of_one_channel(speech)
        levels = self._levels(speech, lengths)
        scaled = speech / (levels if speech.dim() == 2 else levels[:, None])
        enhanced = self.enh_model.forward_enhance(scaled, lengths)[0][0]
        level = levels[:, self.ref_channel if levels.shape[1] > 1 else 0]
        enhanced = level[:, None] * one_channel(enhanced, self.ref_channel)
        enhanced = silence_padding(enhanced, lengths)
        return torch.lerp(enhanced, noisy, self.share)

    def _levels(self, speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return what an SE model wants speech to be divided by: (B, 1), or (B, C) of channels."""
        rows = [row[:n] for row, n in zip(speech, lengths)]
        if self._normalizes and getattr(self.enh_model, "normalize_variance_per_ch", False):
            return torch.stack([row.std(dim=0).view(-1) for row in rows])
        if self._normalizes and getattr(self.enh_model, "normalize_variance", False):
            return torch.stack([row.std() for row in rows])[:, None]
        return speech.new_ones(len(speech), 1)

    def _tell_of_one_channel(self, speech: torch.Tensor) -> None:
        """Log, once, that a multichannel SE model has one."""
        several = speech.dim() == 3 and speech.shape[2] > 1
        if several or not self.channels.takes_several or self._has_told_of_one_channel:
            return
        self._has_told_of_one_channel = True
        does = "lets it through as it is" if self.channels.passes_one else "works on it alone"
        logging.warning(
            "speech of 1 channel: the SE model (%s) %s; give all channels of the array",
            *(self.channels.model, does),
        )

    def reference_channel(self, speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return (B, N) what is heard without an SE model, on the device.

        Raises:
            UserError: a number of channels that the SE model does not take.
        """
        if self.channels is not None and self.channels.takes_several:
            self.channels.check(speech)
        noisy = one_channel(speech, self.ref_channel)
        return silence_padding(noisy.to(self.device), lengths.to(self.device))


def silence_padding(speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Zero ``speech`` (B, N, ...) beyond each of ``lengths``, the longest of which N becomes."""
    longest = int(lengths.max())
    speech = speech[:, :longest]
    if speech.shape[1] < longest:
        missing = longest - speech.shape[1]
        speech = torch.cat((speech, speech.new_zeros(len(speech), missing, *speech.shape[2:])), 1)
    # not ESPnet's make_pad_mask, which takes memory quadratic in the length
    padding = torch.arange(longest, device=speech.device) >= lengths[:, None]
    return speech.masked_fill(padding.view(*padding.shape, *[1] * (speech.dim() - 2)), 0.0)
