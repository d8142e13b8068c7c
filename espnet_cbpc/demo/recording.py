# SPDX-License-Identifier: Apache-2.0
"""A recording, its enhanced version, and the transcript of any mixture of the two."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet_cbpc.data.audio.audio_file import audio_blocks, read_header
from espnet_cbpc.data.audio.audio_source import AudioError
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.enhanced_pieces import silent
from espnet_cbpc.inference.long_form import Cutter, cut_to_windows
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike

WINDOW = 30.0  # seconds that are enhanced or recognised at a time
TAKEN = "the page takes WAV, FLAC, Ogg and MP3"


@dataclass(frozen=True)
class Recording:
    """Noisy and enhanced speech.

    Attributes:
        noisy: (N,) samples.
        enhanced: (N,) samples.
        fs: sampling rate in Hz.
        text: what is recognised without enhancement.
    """

    noisy: np.ndarray
    enhanced: np.ndarray
    fs: int
    text: str

    def mixed(self, share: float) -> np.ndarray:
        """Return (N,) enhanced speech with a share of noisy speech: observation adding."""
        enhanced, noisy = torch.from_numpy(self.enhanced), torch.from_numpy(self.noisy)
        return torch.lerp(enhanced, noisy, share).numpy()


class Listener:
    """Makes recordings of audio files, and recognises speech.

    Args:
        models: with an SE model.
        max_seconds: longest audio that is taken.

    Attributes:
        fs: sampling rate in Hz.
        share: of noisy speech that the models would add by themselves, to begin with.
    """

    def __init__(self, models: EnhSpeech2Text, max_seconds: float):
        self.models, self.max_seconds = models, max_seconds
        self.fs = models.fs
        self.share, models.share = models.share, 0.0  # added here, as much as is asked for

    def record(self, path: PathLike) -> Recording:
        """Read and enhance a file, and recognise it without enhancement.

        Raises:
            UserError: it is no audio, too long, silent, or too short for the models. The message
                has the name of the file without its folder.
        """
        name = Path(path).name
        try:
            noisy = self._read(path)
            enhanced = self._enhanced(noisy)
            return Recording(noisy, enhanced, self.fs, self.text(noisy))
        except AudioError as e:
            raise UserError(f"{name}: {e.problem} ({TAKEN})") from e
        except UserError as e:
            raise UserError(f"{name}: {e}") from e

    def text(self, samples: np.ndarray) -> str:
        """Return what is recognised in (N,) samples.

        Raises:
            UserError: they are too short for the models.
        """
        texts = []
        for piece in cut_to_windows(samples, self.fs, WINDOW):
            if not silent(piece):
                speech, lengths = torch.from_numpy(piece)[None], torch.tensor([len(piece)])
                texts.append(self._computed(self.models.recognise, speech, lengths)[0][0][0].text)
        return " ".join(filter(None, texts))

    def _read(self, path: PathLike) -> np.ndarray:
        length, rate = read_header(path)
        if length > self.max_seconds * rate:
            raise UserError(
                f"lasts {length / rate:.0f} s, but at most {self.max_seconds:g} s are accepted here: "
                "cut it, or use the transcribe command, which takes any length"
            )
        samples = np.concatenate(list(audio_blocks(path, self.fs)))
        if silent(samples):
            raise UserError("is silent: check the microphone, or choose another file")
        return samples

    def _enhanced(self, noisy: np.ndarray) -> np.ndarray:
        def enhance(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            speech, lengths = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
            return self._computed(self.models.enhance, speech, lengths)[0].cpu().numpy(), samples

        pieces = Cutter(self.fs, WINDOW).pieces([noisy], enhance)
        return np.concatenate([piece.enhanced for piece in pieces])

    def _computed(self, compute, speech: torch.Tensor, lengths: torch.Tensor):
        try:
            return compute(speech, lengths)
        except Exception as e:  # ESPnet raises many kinds for what is too short
            seconds = speech.shape[1] / self.fs
            logging.warning("the models failed", exc_info=True)
            raise UserError(
                f"the models failed on {seconds:.2f} s of it: choose a longer file if it is short"
            ) from e
