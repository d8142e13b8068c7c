# SPDX-License-Identifier: Apache-2.0
"""Self-distillation: the recogniser's output on clean speech is the target on enhanced speech."""

from typing import Optional

import torch
import torch.nn.functional as F
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_cbpc.loss.self_distillation import self_distillation_loss
from espnet_cbpc.utils.cli import UserError

POSTERIORS = ("ctc", "decoder")


class SelfDistillation(torch.nn.Module):
    """The loss between the posteriors of a frozen recogniser on clean and on enhanced speech.

    An alternative to losses on encoder frames that needs no transcripts either: the decoder is
    teacher-forced with the recogniser's own transcript of the clean speech.

    Args:
        posteriors: ``ctc``, of each frame, or ``decoder``, of each token of a transcript; None:
            those of the decoder where there is one.
        weight: against the other losses.
        temperature: softens both, see :func:`.self_distillation_loss`.
        asr_model: the recogniser; not registered as a submodule.

    Raises:
        UserError: the model has no such output.
        ValueError: an option out of range.
    """

    def __init__(
        self,
        asr_model: ESPnetASRModel,
        posteriors: Optional[str] = None,
        weight: float = 1.0,
        temperature: float = 1.0,
    ):
        super().__init__()
        if posteriors not in (None, *POSTERIORS):
            raise ValueError(f"posteriors must be one of {POSTERIORS}, but is {posteriors!r}")
        if not (weight > 0 and temperature > 0):
            raise ValueError(
                f"weight and temperature must be positive, but are {weight} and {temperature}"
            )
        has_decoder = asr_model.decoder is not None and not asr_model.use_transducer_decoder
        self.posteriors = posteriors or ("decoder" if has_decoder else "ctc")
        if self.posteriors == "decoder" and not has_decoder:
            raise UserError("self_distillation: the ASR model has no attention decoder: take ctc")
        if self.posteriors == "ctc" and asr_model.ctc is None:
            raise UserError("self_distillation: the ASR model has no CTC: take decoder")
        self.weight, self.temperature = weight, temperature

    @property
    def needs_text(self) -> bool:
        """Whether a transcript must come with each utterance."""
        return self.posteriors == "decoder"

    def forward(
        self,
        asr_model: ESPnetASRModel,
        enhanced: torch.Tensor,
        clean: torch.Tensor,
        lengths: torch.Tensor,
        transcripts: Optional[tuple[torch.Tensor, torch.Tensor]] = None,
    ) -> torch.Tensor:
        """Compute the loss of a batch, not yet weighted.

        Args:
            asr_model: the recogniser.
            enhanced: (B, T, D) its encoder's output on enhanced speech.
            clean: (B, T, D) the same on clean speech.
            lengths: (B,) in frames.
            transcripts: (B, L) tokens padded with -1, and (B,) how many.

        Returns:
            The mean over frames (``ctc``) or tokens (``decoder``), a scalar.
        """
        with torch.no_grad():
            target = self._logits(asr_model, clean, lengths, transcripts)
        output = self._logits(asr_model, enhanced, lengths, transcripts)
        return self_distillation_loss(output, target, self.temperature)

    def _logits(self, asr_model, frames, lengths, transcripts) -> torch.Tensor:
        """Return (N, V) logits of all valid frames or tokens."""
        if self.posteriors == "ctc":
            return asr_model.ctc.ctc_lo(frames[valid_places(frames, lengths)])
        tokens, counts = transcripts
        tokens = tokens[:, : counts.max()]
        given = F.pad(tokens.masked_fill(tokens < 0, asr_model.eos), (1, 0), value=asr_model.sos)
        logits, _ = asr_model.decoder(frames, lengths, given, counts + 1)
        return logits[valid_places(logits, counts + 1)]


def valid_places(rows: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return (B, T), whether a place of ``rows`` (B, T, ...) is within its row's length."""
    return torch.arange(rows.shape[1], device=rows.device) < lengths.to(rows.device)[:, None]
