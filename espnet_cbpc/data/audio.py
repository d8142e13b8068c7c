"""Audio files: read with every check, write whole."""

import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

import numpy as np
import soundfile
import soxr

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write

STREAMED_SIZE = 0x7FFF0000  # programs that write WAV to a pipe put at least this for "unknown"
PCM_16_STEP = 2.0**-15
UNREADABLE = "not a readable audio file: replace it"
CUT_SHORT = "audio file is cut short: replace it"
NO_SAMPLES = "audio file has no samples: leave it out"
NOT_FINITE = "audio has samples that are not finite (NaN or inf): replace it"


class AudioError(UserError):
    """A fault of one audio file: ``problem`` (what and the remedy) and ``where`` (the file)."""

    def __init__(self, problem: str, where: str):
        super().__init__(problem, where)  # both, so that it can be sent between processes
        self.problem = problem
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def sampling_rate(text: str) -> int:
    """Parse a sampling rate in Hz, as ``8000`` or ``8k``; a ``ValueError`` if it is none."""
    rate = round(float(text[:-1]) * 1000) if text[-1:] in ("k", "K") else int(text)
    if rate <= 0:
        raise ValueError(text)
    return rate


def read_audio(
    path: Union[str, Path],
    fs: Optional[int] = None,
    channel: Optional[int] = None,
    part: Optional[Tuple[int, int]] = None,
) -> Tuple[np.ndarray, int]:
    """Read one channel of an audio file, resampled where need be.

    Args:
        path: any format of libsndfile.
        fs: sampling rate in Hz to resample to; None keeps the file's.
        channel: the channel to take, from 0; None allows mono files only.
        part: first sample and end, at the file's rate, of what is read; None reads all.

    Returns:
        (samples,) float32 in [-1, 1] for integer formats, and its sampling rate in Hz.

    Raises:
        AudioError: the file is missing, unreadable, cut short, empty, has samples that are not
            finite, or several channels and none chosen.
    """
    where = str(path)
    with _opened(path) as f:
        begin, end = part or (0, f.frames)
        rate = f.samplerate
        f.seek(min(begin, f.frames))
        samples = f.read(end - begin, dtype="float32", always_2d=True)
    if len(samples) != end - begin:
        raise AudioError(CUT_SHORT, where)
    _check_channel(samples.shape[1], channel, where)
    samples = samples[:, channel or 0]
    if not len(samples):
        raise AudioError(NO_SAMPLES, where)
    if not np.isfinite(samples).all():
        raise AudioError(NOT_FINITE, where)
    if fs is not None and fs != rate:
        samples, rate = soxr.resample(samples, rate, fs), fs
    return samples, rate


def audio_blocks(
    path: Union[str, Path], fs: int, channel: Optional[int] = None, seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """Read an audio file of any length as mono blocks, resampled where need be.

    Args:
        path: any format of libsndfile.
        fs: sampling rate in Hz to resample to.
        channel: the channel to take, from 0; None takes the mean of all.
        seconds: length of a block, about.

    Yields:
        (samples,) float32.

    Raises:
        AudioError: as :func:`read_audio`; that a file is cut short shows at its end.
    """
    where = str(path)
    with _opened(path) as f:
        if channel is not None:
            _check_channel(f.channels, channel, where)
        resampler = soxr.ResampleStream(f.samplerate, fs, 1, dtype="float32")
        count, size = 0, round(seconds * f.samplerate)
        while len(samples := f.read(size, dtype="float32", always_2d=True)):
            count += len(samples)
            if not np.isfinite(samples).all():
                raise AudioError(NOT_FINITE, where)
            mono = samples.mean(axis=1) if channel is None else samples[:, channel]
            yield resampler.resample_chunk(np.ascontiguousarray(mono))
        if count != f.frames:
            raise AudioError(CUT_SHORT, where)
        if not count:
            raise AudioError(NO_SAMPLES, where)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def read_header(path: Union[str, Path], mono: bool = False) -> Tuple[int, int]:
    """Return the length in samples and the sampling rate in Hz that a file's header tells.

    Args:
        path: any format of libsndfile.
        mono: refuse several channels.

    Raises:
        AudioError: the file is missing, unreadable, cut short as far as the header shows, empty, or
            has several channels.
    """
    with _opened(path) as f:
        if mono:
            _check_channel(f.channels, None, str(path))
        if not f.frames:
            raise AudioError(NO_SAMPLES, str(path))
        return f.frames, f.samplerate


@contextmanager
def _opened(path: Union[str, Path]) -> Iterator[soundfile.SoundFile]:
    where = str(path)
    if not Path(path).is_file():
        raise AudioError("no such audio file: correct the path", where)
    try:
        with soundfile.SoundFile(path) as f:
            if _is_cut_short(f.extra_info):
                raise AudioError(CUT_SHORT, where)
            yield f
    except (soundfile.LibsndfileError, OSError) as e:
        raise AudioError(UNREADABLE, where) from e


def _is_cut_short(log: str) -> bool:
    # libsndfile reads what is left of a cut WAV file without complaint, except in its log.
    sizes = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    return bool(sizes) and int(sizes[2]) < int(sizes[1]) < STREAMED_SIZE


def _check_channel(channels: int, channel: Optional[int], where: str) -> None:
    if channel is None and channels > 1:
        remedy = "extract one first (format_data_dir --channel)"
        raise AudioError(f"audio has {channels} channels: {remedy}", where)
    if channel is not None and not 0 <= channel < channels:
        raise AudioError(f"audio has no channel {channel} but {channels} from 0 on", where)


def write_audio(
    path: Union[str, Path], samples: np.ndarray, fs: int, subtype: str = "PCM_16"
) -> None:
    """Write a mono audio file, whole or not at all; the suffix gives the format.

    Args:
        path: ``*.wav``, ``*.flac`` or another format of libsndfile.
        samples: (samples,) float.
        fs: sampling rate in Hz.
        subtype: libsndfile's name of the sample format.

    Raises:
        AudioError: samples that are not finite, or that an integer format would clip.
    """
    path = Path(path)
    if not np.isfinite(samples).all():
        raise AudioError("refusing to write samples that are not finite", str(path))
    if subtype.startswith("PCM") and len(samples) and np.abs(samples).max() > 1 + PCM_16_STEP:
        raise AudioError("refusing to clip: scale the samples into [-1, 1]", str(path))
    with atomic_write(path, "wb") as f:
        soundfile.write(f, samples, fs, subtype=subtype, format=path.suffix[1:])
