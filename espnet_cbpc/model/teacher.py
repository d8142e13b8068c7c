# SPDX-License-Identifier: Apache-2.0
"""The encoder that turns clean speech into target embeddings."""

import copy
from collections.abc import Sequence
from typing import Optional

import torch

from espnet_cbpc.compat.encoder_tap import EncoderOutput, tap_encoder

TEACHER_KINDS = ("frozen", "ema", "student")


class Teacher(torch.nn.Module):
    """Gradient-free encoder of clean speech.

    ``frozen`` is a copy of the ASR encoder as it stands when training starts (after
    ``--init_param``); ``ema`` the same, moving after the student as an exponential average;
    ``student`` is the ASR encoder itself, in evaluation mode and with the gradient stopped.
    Which of them the paper uses is not known to us; all are our choice.

    The copy is taken at the first training step and belongs to the checkpoint from then on.

    Args:
        asr_model: the ASR model that is trained (the student); not registered as a submodule.
        kind: ``frozen``, ``ema`` or ``student``.
        ema_decay: of the moving average, per training batch.

    Raises:
        ValueError: unknown ``kind`` or ``ema_decay`` not in [0, 1].
    """

    def __init__(self, asr_model: torch.nn.Module, kind: str = "frozen", ema_decay: float = 0.999):
        super().__init__()
        if kind not in TEACHER_KINDS:
            raise ValueError(f"teacher must be one of {TEACHER_KINDS}, but is {kind!r}")
        if not 0.0 <= ema_decay <= 1.0:
            raise ValueError(f"ema_decay must be in [0, 1], but is {ema_decay}")
        self.kind = kind
        self.ema_decay = ema_decay
        self.copy = None if kind == "student" else encoder_only_copy(asr_model)
        # 1 once the copy has been taken; a float, which averaging of checkpoints leaves as it is
        self.register_buffer("ready", torch.zeros(()))
        self._known_ready = False  # so that the buffer is read from the device once, not per step

    @torch.no_grad()
    def follow(self, asr_model: torch.nn.Module) -> None:
        """Bring the copy up to date; called before each training step."""
        if self.copy is None:
            return
        if not self._known_ready and not bool(self.ready):
            self._blend(asr_model, 0.0)
            self.ready.fill_(1.0)
        elif self.kind == "ema":
            self._blend(asr_model, self.ema_decay)
        self._known_ready = True

    def _blend(self, asr_model: torch.nn.Module, decay: float) -> None:
        source = asr_model.state_dict()
        for key, value in self.copy.state_dict().items():
            if decay > 0.0 and value.is_floating_point():
                value.lerp_(source[key], 1.0 - decay)
            else:
                value.copy_(source[key])

    @torch.no_grad()
    def forward(
        self,
        asr_model: torch.nn.Module,
        speech: torch.Tensor,
        lengths: torch.Tensor,
        layers: Sequence[Optional[int]] = (None,),
    ) -> EncoderOutput:
        """Encode clean speech.

        Args:
            asr_model: the student.
            speech: (B, N) samples.
            lengths: (B,) in samples.
            layers: as in :func:`tap_encoder`.

        Returns:
            The embeddings by layer, without gradient.
        """
        encoder = asr_model if self.copy is None else self.copy
        was_training = encoder.training
        encoder.eval()
        try:
            with tap_encoder(encoder, layers) as output:
                encoder.encode(speech, lengths)
        finally:
            if self.copy is None:
                encoder.train(was_training)
        return output

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode whatever the model around it does."""
        return super().train(False)


def encoder_only_copy(asr_model: torch.nn.Module) -> torch.nn.Module:
    """Return a frozen copy of an ASR model with just what its ``encode`` needs."""
    # What is left out is not copied at all: decoders can be the larger half of the model.
    needless = ("decoder", "joint_network", "specaug", "criterion_att", "criterion_transducer")
    memo = {id(getattr(asr_model, n)): None for n in needless if hasattr(asr_model, n)}
    memo.pop(id(None), None)
    return copy.deepcopy(asr_model, memo).requires_grad_(False).eval()
