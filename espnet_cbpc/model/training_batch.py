# SPDX-License-Identifier: Apache-2.0
"""A batch of the joint model, made from the data loader's output and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import torch

from espnet_cbpc.compat.input_channels import one_channel
from espnet_cbpc.model.category import CLEAN, REAL, SIMU, batch_categories
from espnet_cbpc.utils.cli import UserError


@dataclass(frozen=True)
class TrainingBatch:
    """Utterances to learn from.

    Attributes:
        speech: (B, N) noisy samples, or (B, N, C) of several channels.
        heard: (B, N) its reference channel.
        lengths: (B,) in samples.
        category: (B,) numbers of :mod:`.category`, on the CPU.
        clean: (B, N) clean speech, of CLEAN utterances the input itself, of REAL ones anything;
            None where there are SIMU utterances and no references came.
        transcripts: (B, L) tokens padded with -1, and (B,) how many; None where none came.
        labels: (B, T) dumped pseudo-labels of the clean speech; None where none came.
        labels_lengths: (B,) in frames.
    """

    speech: torch.Tensor
    heard: torch.Tensor
    lengths: torch.Tensor
    category: torch.Tensor
    clean: Optional[torch.Tensor] = None
    transcripts: Optional[tuple[torch.Tensor, torch.Tensor]] = None
    labels: Optional[torch.Tensor] = None
    labels_lengths: Optional[torch.Tensor] = None

    @classmethod
    def of(
        cls,
        speech: torch.Tensor,
        lengths: Optional[torch.Tensor],
        data: Mapping[str, Any],
        channel: int,
    ) -> "TrainingBatch":
        """Make a batch of the arguments of the model's ``forward``, cut to the longest utterance.

        Args:
            speech: (B, N) or (B, N, C) samples.
            lengths: (B,) in samples; None: all are whole.
            data: whatever else came, by name; see ``ESPnetEnhASRCBPCModel.forward``.
            channel: the reference channel, where there are several.

        Raises:
            UserError: the loader gave a number that is no category.
        """
        if lengths is None:
            lengths = torch.full((len(speech),), speech.shape[1], device=speech.device)
        speech = speech[:, : lengths.max()]
        heard = one_channel(speech, channel)
        category = batch_categories(data.get("utt2category"), data.get("utt_id"), len(speech))
        reference = data.get("speech_ref1")
        if reference is not None:
            reference = one_channel(reference, channel)[:, : speech.shape[1]]
        clean = _clean_speech(heard, reference, category)
        dumped = data.get("labels"), data.get("labels_lengths")
        return cls(speech, heard, lengths, category, clean, _transcripts(data), *dumped)

    @property
    def has_clean(self) -> torch.Tensor:
        """Which utterances have clean speech, (B,) on the CPU."""
        return self.category != REAL

    def check(self, needs_text: bool, needs_clean: bool) -> None:
        """Raise ``UserError`` where the losses would miss something."""
        if needs_text and self.transcripts is None:
            raise UserError(
                "the batch has no text_spk1: give transcripts, or set joint_conf.alpha to 1 to "
                "train without the ASR loss (self-distillation through the decoder takes the "
                "recogniser's own transcripts: --own_transcripts true)"
            )
        if needs_clean and self.clean is None:
            raise UserError("the batch has simulated speech but no speech_ref1: add spk1.scp")


def _clean_speech(
    heard: torch.Tensor, reference: Optional[torch.Tensor], category: torch.Tensor
) -> Optional[torch.Tensor]:
    if reference is None:
        return None if (category == SIMU).any() else heard
    is_clean = category == CLEAN
    if not is_clean.any():
        return reference
    return torch.where(is_clean.to(heard.device)[:, None], heard, reference)


def _transcripts(data: Mapping[str, Any]) -> Optional[tuple[torch.Tensor, torch.Tensor]]:
    # under the name of ESPnet's joint task, or of its ASR task
    for name in ("text_spk1", "text"):
        if name in data:
            text = data[name]
            full = torch.full((len(text),), text.shape[1], device=text.device)
            return text, data.get(f"{name}_lengths", full)
    return None
