# SPDX-License-Identifier: Apache-2.0
"""Enhance audio files of any format, rate and length, without recognising them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import soundfile

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.enhanced_pieces import EnhancedPieces
from espnet_cbpc.inference.inference_options import sampling_rates
from espnet_cbpc.inference.speech_enhancer import SpeechEnhancer
from espnet_cbpc.model_zoo.load import load_enh
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, atomic_write


def load_enhancer(
    files: Mapping[str, Any], device: str = "cpu", fs: Optional[int] = None
) -> tuple[SpeechEnhancer, int]:
    """Return what enhances, and its sampling rate in Hz.

    Args:
        files: of a joint or an SE model, see :func:`.locate.inference_files`.
        device: a torch device name.
        fs: the rate; None takes what the configuration says, or 16 kHz.

    Raises:
        UserError: parameters that do not fit their configuration, or a model of several speakers.
    """
    if "enh_train_config" not in files:
        joint = EnhSpeech2Text(**files, device=device, fs=fs)
        return joint, joint.fs
    config = files["enh_train_config"]
    rate, _ = sampling_rates(config, fs)
    model, _ = load_enh((config, files["enh_model_file"]))
    return SpeechEnhancer(model, device, name=str(config)), rate


class FileEnhancer(EnhancedPieces):
    """Enhances files, and recognises nothing; arguments as :class:`EnhancedPieces` has them."""

    def __call__(self, path: PathLike, output: Path) -> float:
        """Write the enhanced speech of a file as 32-bit float WAV, atomically.

        Returns:
            Its seconds.

        Raises:
            UserError: a file that is missing, no audio, truncated or empty, too short for the
                model, or of a number of channels that it does not take.
        """
        fs, samples = self.cutter.fs, 0
        try:
            with atomic_write(output, "wb") as file:
                with soundfile.SoundFile(file, "w", fs, 1, "FLOAT", format="WAV") as out:
                    for piece in self.pieces(path):
                        out.write(piece.enhanced)
                        samples += len(piece.enhanced)
        except AudioError:
            raise
        except UserError as e:
            raise UserError(f"{path}: {e}") from e
        except Exception as e:  # ESPnet raises many kinds for what is too short
            raise UserError(
                f"{path}: the model failed on the audio after {samples / fs:.2f} s: {e!r}: leave "
                "the file out if it is too short, or lower --window if memory ran out"
            ) from e
        return samples / fs
