# SPDX-License-Identifier: Apache-2.0
"""Encoder frames of a system's input."""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import torch
from torchaudio.functional import resample

from espnet_cbpc.compat.encoder_tap import tap_encoder
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text


class FrameEncoder:
    """The encoder of an ASR model, behind an SE model where there is one.

    Args:
        layer: as in :func:`espnet_cbpc.compat.encoder_tap.tap_encoder`.
        fs: sampling rate of the speech in Hz; None: as the models' configuration says.
        device: a torch device name.
        files: of the models, as :class:`EnhSpeech2Text` names them.

    Raises:
        UserError: models that cannot be built.
    """

    def __init__(self, layer: Optional[int], fs: Optional[int], device: str, **files: Any):
        self.layer = layer
        self.system = EnhSpeech2Text(device=device, fs=fs, **files)

    @property
    def fs(self) -> int:
        """Sampling rate in Hz of the speech that :meth:`frames` takes."""
        return self.system.fs

    @torch.no_grad()
    def frames(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Enhance and encode utterances, one at a time: padding would alter the frames.

        Args:
            waves: (N,) float32 samples of each, or (N, C) of several channels.

        Returns:
            (T, D) float32, the frames of each.
        """
        system, frames = self.system, []
        for wave in waves:
            lengths = torch.tensor([len(wave)])
            speech = system.enhance(torch.from_numpy(wave)[None], lengths)
            if system.asr_fs != system.fs:
                speech = resample(speech, system.fs, system.asr_fs)
                lengths = torch.tensor([speech.shape[1]])
            with tap_encoder(system.s2t_model, [self.layer]) as output:
                system.s2t_model.encode(speech, lengths.to(speech.device))
            frames.append(output.frames[self.layer][0, : int(output.lengths[0])].cpu().numpy())
        return frames
