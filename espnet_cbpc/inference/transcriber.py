# SPDX-License-Identifier: Apache-2.0
"""Transcribe audio files of any format, rate and length."""

import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import soundfile
import torch

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.kaldi.text_rules import as_id, names_a_file
from espnet_cbpc.inference.decoded_utterance import NOTHING, DecodedUtterance
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.enhanced_pieces import EnhancedPieces, silent
from espnet_cbpc.inference.long_form import FADE, Cutter, Piece
from espnet_cbpc.inference.set_decoder import write_ctm
from espnet_cbpc.utils.cli import UserError, listed, shown
from espnet_cbpc.utils.files import PathLike, atomic_write


@dataclass(frozen=True)
class Segment:
    """What was recognised from ``start`` to ``end``, in seconds; token times are of the file."""

    start: float
    end: float
    recognition: DecodedUtterance


class Transcriber(EnhancedPieces):
    """Transcribes files piece by piece; memory does not grow with a file.

    Args:
        speech2text: the models.
        cutter, channels: see :class:`EnhancedPieces`.
    """

    def __init__(
        self,
        speech2text: EnhSpeech2Text,
        cutter: Cutter,
        channels: Optional[Sequence[int]] = None,
    ):
        super().__init__(speech2text, cutter, channels)
        self.speech2text = speech2text

    def __call__(
        self, path: PathLike, write: Optional[Callable[[np.ndarray], Any]] = None
    ) -> list[Segment]:
        """Transcribe a file.

        Args:
            path: any format of libsndfile: WAV, FLAC, Ogg, MP3 and more.
            write: is given the enhanced speech, in order, (n,) samples at a time.

        Returns:
            The segments, in order.

        Raises:
            UserError: a file that is missing, no audio, truncated, empty, silent, too short for the
                models, or of a number of channels that they do not take.
        """
        segments: list[Segment] = []
        is_silent, before = True, 0.0
        try:
            for piece in self.pieces(path):
                is_silent &= silent(piece.heard)
                segment, share = self._recognise(piece)
                segments.append(segment)
                if write is not None:
                    write(self._mixed(piece, before, share))
                before = share
        except AudioError:
            raise
        except UserError as e:
            raise UserError(f"{path}: {e}") from e
        except Exception as e:  # ESPnet raises many kinds for what is too short
            at = segments[-1].end if segments else 0.0
            raise UserError(
                f"{path}: the models failed on the audio after {at:.2f} s: {e!r}: leave the file "
                "out if it is too short, or lower --window if memory ran out"
            ) from e
        if is_silent:
            raise AudioError("audio is silent, or silent once enhanced", str(path))
        if not text_of(segments):
            logging.warning("%s: not silent, but no text was recognised", path)
        return segments

    def _recognise(self, piece: Piece) -> tuple[Segment, float]:
        """Return what was recognised, and the share of noisy speech that the recogniser chose."""
        count = len(piece.heard)
        start, end = (n / self.cutter.fs for n in (piece.start, piece.start + count))
        if silent(piece.heard):
            return Segment(start, end, DecodedUtterance([NOTHING])), 0.0
        heard, noisy = (torch.from_numpy(x[-count:])[None] for x in (piece.heard, piece.noisy))
        if self.speech2text.enh_model is None:
            noisy = None
        ((share, (nbest, times)),) = self.speech2text.choose(heard, noisy, torch.tensor([count]))
        if times is not None:
            times = [replace(t, start=start + t.start, end=start + t.end) for t in times]
        return Segment(start, end, DecodedUtterance(nbest, times)), share

    def _mixed(self, piece: Piece, before: float, share: float) -> np.ndarray:
        """Return the enhanced samples with the share, to which those before fade over."""
        count = len(piece.enhanced)
        shares = np.full(count, share, np.float32)
        fade = min(round(FADE * self.cutter.fs), count)
        shares[:fade] = np.linspace(before if piece.start else share, share, fade)
        return piece.enhanced + shares * (piece.noisy[:count] - piece.enhanced)


def text_of(segments: Iterable[Segment]) -> str:
    """Return the text of a file: that of its segments, joined by blanks."""
    return " ".join(filter(None, (segment.recognition.text for segment in segments)))


class Transcripts:
    """The folder of transcripts.

    ``<id>.json`` with the segments, their n-best lists and token times; ``enhanced/<id>.wav`` as
    32-bit float; and, once all is done, ``text`` and, with token times, ``token.ctm``. The id is
    the file's name without its suffix, blanks replaced by underscores.

    Args:
        folder: to write to; None writes nothing.
        paths: the audio files.

    Raises:
        UserError: files of one id, or a folder that is a file.
    """

    def __init__(self, folder: Optional[Path], paths: Iterable[str]):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: is a file: give another --output_dir")
        self.folder = folder
        self.ids = {path: as_id(Path(path).stem) for path in paths}
        names = list(self.ids.values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if folder is not None and twice:
            raise UserError(
                f"{len(twice)} output name(s) shared by several files ({listed(twice)}): rename them, "
                "or transcribe them to different folders"
            )
        self.texts: dict[str, str] = {}
        self.times: dict[str, dict[str, list]] = {}

    def add(self, path: str, transcriber: Transcriber) -> list[Segment]:
        """Transcribe a file, and write what belongs to it atomically.

        Raises:
            UserError: see :class:`Transcriber`.
        """
        if self.folder is None:
            return transcriber(path)
        name, fs, write = self.ids[path], transcriber.cutter.fs, None
        if not names_a_file(name):
            raise UserError(f"{shown(path)}: its name is too long or not UTF-8: rename the file")
        with ExitStack() as stack:
            if transcriber.speech2text.enh_model is not None:
                wav = self.folder / "enhanced" / f"{name}.wav"
                file = stack.enter_context(atomic_write(wav, "wb"))
                out = soundfile.SoundFile(file, "w", fs, 1, "FLOAT", format="WAV")
                write = stack.enter_context(out).write
            segments = transcriber(path, write)
        self.texts[name] = text_of(segments)
        entries = [{"start": s.start, "end": s.end, **s.recognition.as_dict()} for s in segments]
        self.times[name] = {"token_times": [t for e in entries for t in e["token_times"] or ()]}
        with atomic_write(self.folder / f"{name}.json") as f:
            content = {"file": str(path), "text": self.texts[name], "segments": entries}
            json.dump(content, f, ensure_ascii=False, indent=1)
        return segments

    def finish(self) -> None:
        """Write the tables of all files that were transcribed."""
        if self.folder is None:
            return
        write_table(self.folder / "text", self.texts)
        if any(entry["token_times"] for entry in self.times.values()):
            write_ctm(self.folder / "token.ctm", self.times)
