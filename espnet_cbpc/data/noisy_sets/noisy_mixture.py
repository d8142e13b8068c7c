# SPDX-License-Identifier: Apache-2.0
"""Noisy mixtures as lines of a manifest, from which each can be rebuilt bit for bit."""

import dataclasses
import json
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, Optional, Union

import numpy as np

from espnet_cbpc.data.audio.audio_file import SILENT, AudioError, read_audio, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.mixing.snr import cut_noise, mix_at_snr
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, atomic_write

PEAK = 0.7  # of speech before mixing
PCM_STEPS = 32768  # a 16-bit sample k stands for k / 32768


@dataclasses.dataclass(frozen=True)
class Mixture:
    """What one utterance is made of.

    Attributes:
        id: the utterance.
        speaker: who speaks.
        text: the words.
        fs: sampling rate of the result in Hz.
        recordings: file names of the recordings that are joined, in order.
        silences: samples of silence between them, one fewer than there are recordings.
        peak: largest magnitude of the joined speech before mixing; None keeps the level it has.
        noise: file name of the noise, whose first channel is taken; None leaves the speech clean.
        segment: first sample and end of the part of the noise file that may be used, at the rate of
            the file.
        offset: where the noise begins, in samples at ``fs`` from the start of the segment; it wraps
            round the segment's end.
        snr: signal-to-noise ratio over the speech-active samples in dB.
    """

    id: str
    speaker: str
    text: str
    fs: int
    recordings: tuple[str, ...]
    silences: tuple[int, ...]
    peak: Optional[float]
    noise: Optional[str] = None
    segment: Optional[tuple[int, int]] = None
    offset: int = 0
    snr: Optional[float] = None

    @classmethod
    def of(cls, recording: Recording, fs: int, peak: Optional[float] = PEAK) -> "Mixture":
        """Return one recording by itself, by default at the peak of most sets before mixing."""
        r = recording
        return cls(r.id, r.speaker, r.text, fs, (r.file,), (), peak)


def noise_name(path: PathLike) -> str:
    """Return the name of a noise by its path below the noise folder: of ``a/b.wav``, ``a-b``."""
    return "-".join(Path(path).with_suffix("").parts)


class Signals(NamedTuple):
    """What is heard, (samples,) float32 each, on the 16-bit grid; noisy = clean + noise exactly."""

    noisy: np.ndarray
    clean: np.ndarray
    noise: Optional[np.ndarray]


def write_manifest(path: PathLike, mixtures: Sequence[Mixture]) -> None:
    """Write one JSON object per line."""
    with atomic_write(path) as f:
        f.writelines(json.dumps(dataclasses.asdict(mixture)) + "\n" for mixture in mixtures)


def read_manifest(path: PathLike) -> list[Mixture]:
    """Read what :func:`write_manifest` wrote.

    Raises:
        UserError: no such file, or a line that is no mixture.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: cannot be read as a manifest ({e})") from e
    return [_parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _parse(line: str, where: str) -> Mixture:
    try:
        values = json.loads(line)
        for name in ("recordings", "silences"):
            values[name] = tuple(values[name])
        if values["segment"] is not None:
            begin, end = values["segment"]
            values["segment"] = (begin, end)
        return Mixture(**values)
    except (ValueError, TypeError, KeyError) as e:
        raise UserError(f"{where}: not a mixture ({e}): prepare the data again") from e


def rebuild(line: Union[Mixture, str], speech_dir: PathLike, noise_dir: PathLike) -> Signals:
    """Make the signals of one mixture.

    Joined speech is brought to its peak, mixed by :func:`mix_at_snr`, and rounded to 16 bits.

    Args:
        line: a mixture, or its line in the manifest.
        speech_dir: where the recordings are.
        noise_dir: where the noises are.

    Returns:
        Exactly the samples that are written as PCM_16.

    Raises:
        UserError: a line, recording or noise that cannot be used (``AudioError``).
    """
    mixture = _parse(line, "manifest line") if isinstance(line, str) else line
    speech = _join(mixture, Path(speech_dir))
    if mixture.noise is None:
        clean = _on_grid(speech)
        return Signals(clean, clean, None)
    assert mixture.snr is not None
    segment = _segment(Path(noise_dir) / mixture.noise, mixture.segment, mixture.fs)
    noise = cut_noise(segment, len(speech), mixture.offset)
    try:
        _, clean, noise = mix_at_snr(speech, noise, mixture.snr, mixture.fs)
    except UserError as e:
        raise AudioError(str(e), mixture.noise) from e
    clean, noise = _on_grid(clean), _on_grid(noise)
    return Signals(clean + noise, clean, noise)


def _join(mixture: Mixture, speech_dir: Path) -> np.ndarray:
    parts = []
    for recording, silence in zip(mixture.recordings, (*mixture.silences, 0)):
        parts.append(read_audio(speech_dir / recording, mixture.fs)[0])
        parts.append(np.zeros(silence, dtype=np.float32))
    speech = np.concatenate(parts)
    loudest = np.abs(speech).max(initial=0.0)
    if loudest == 0:
        raise AudioError(SILENT, ", ".join(mixture.recordings))
    if mixture.peak is None:
        return speech
    return speech * np.float32(mixture.peak / loudest)


@lru_cache(maxsize=128)
def _segment(path: Path, segment: tuple[int, int], fs: int) -> np.ndarray:
    """Cut before resampling, so that no filter smears other parts of the file into this one."""
    return read_audio(path, fs, channel=0, part=segment)[0]


def _on_grid(samples: np.ndarray) -> np.ndarray:
    return (np.round(samples * PCM_STEPS) / PCM_STEPS).astype(np.float32)


def audio_files(mixture: Mixture, folder: Path) -> dict[str, Path]:
    """Return the files of a mixture: ``noisy``, ``clean`` and ``noise``, or ``clean`` alone."""
    kinds = ("clean",) if mixture.noise is None else ("noisy", "clean", "noise")
    return {kind: folder / kind / f"{mixture.id}.wav" for kind in kinds}


def write_mixtures(
    mixtures: Sequence[Mixture],
    folder: PathLike,
    speech_dir: PathLike,
    noise_dir: PathLike,
    nj: int = 1,
) -> None:
    """Write the audio of all mixtures as PCM_16 files, named as :func:`audio_files` says.

    The folder is written atomically and replaces an earlier one; its content does not depend on ``nj``.

    Args:
        mixtures: what to write.
        folder: where to write to.
        speech_dir: where the recordings are.
        noise_dir: where the noises are.
        nj: processes.

    Raises:
        UserError: see :func:`rebuild`; all mixtures that cannot be made.
    """
    folder = Path(folder)
    with whole_directory(folder, is_data_directory=False) as temporary:
        write = partial(
            _write, folder=temporary, speech_dir=Path(speech_dir), noise_dir=Path(noise_dir)
        )
        named = ((mixture.id, mixture) for mixture in mixtures)
        desc = f"mix {folder.name}"
        map_audio(write, named, len(mixtures), nj, desc, folder, "mixture(s)")


def _write(mixture: Mixture, folder: Path, speech_dir: Path, noise_dir: Path) -> None:
    signals = rebuild(mixture, speech_dir, noise_dir)
    for kind, path in audio_files(mixture, folder).items():
        path.parent.mkdir(exist_ok=True)
        write_audio(path, getattr(signals, kind), mixture.fs)
