# SPDX-License-Identifier: Apache-2.0
"""Audio files: read with every check, written atomically."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile
import soxr

from espnet_cbpc.data.audio.audio_source import AudioError, Source, opened
from espnet_cbpc.utils.files import PathLike, atomic_write

LEAST_RATE = 8000  # Hz, of speech
PCM_16_STEP = 2.0**-15
NO_SAMPLES = "audio file has no samples: leave it out"
TOO_SHORT = "audio is too short to have a sample at the requested rate: leave it out"
SILENT = "audio is silent: leave it out"
NOT_FINITE = "audio has samples that are not finite (NaN or inf): replace it"


def sampling_rate(text: str) -> int:
    """Parse a sampling rate in Hz, as ``8000`` or ``8k``; a ``ValueError`` if it is none."""
    rate = round(float(text[:-1]) * 1000) if text[-1:] in ("k", "K") else int(text)
    if rate <= 0:
        raise ValueError(text)
    return rate


def read_audio(
    path: PathLike,
    fs: Optional[int] = None,
    channel: Optional[int] = None,
    part: Optional[tuple[int, int]] = None,
) -> tuple[np.ndarray, int]:
    """Read one channel of an audio file, resampled if needed.

    Args:
        path: any format of libsndfile.
        fs: sampling rate in Hz to resample to; None keeps the file's.
        channel: the channel to take, from 0; None allows mono files only.
        part: first sample and end, at the file's rate, of what is read; None reads all.

    Returns:
        (samples,) float32 and its sampling rate in Hz. Whole numbers, be they stored as such or as
        floats, are in [-1, 1].

    Raises:
        AudioError: the file is missing, unreadable, truncated, joined of several, empty or too
            short, has samples that are not finite, or several channels and none chosen.
    """
    with opened(path) as source:
        check_channel(source, channel)
        blocks = (block[:, channel or 0] for block in source.blocks(*(part or ())))
        return resampled(source, np.concatenate([np.zeros(0, np.float32), *blocks]), fs)


def audio_blocks(
    path: PathLike, fs: int, channel: Optional[int] = None, seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """Read an audio file of any length as mono blocks, resampled if needed.

    Args:
        path: any format of libsndfile.
        fs: sampling rate in Hz to resample to.
        channel: the channel to take, from 0; None takes the mean of all.
        seconds: length of a block, about.

    Yields:
        (samples,) float32.

    Raises:
        AudioError: as :func:`read_audio`; a truncated file is detected at its end.
    """
    for block in channel_blocks(path, fs, None if channel is None else [channel], seconds):
        yield block.mean(axis=1)


def channel_blocks(
    path: PathLike, fs: int, channels: Optional[Sequence[int]] = None, seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """Read some channels of an audio file of any length, resampled if needed.

    Args:
        path: any format of libsndfile.
        fs: sampling rate in Hz to resample to.
        channels: from 0, in the order that is wanted; None: all.
        seconds: length of a block, about.

    Yields:
        (samples, channels) float32.

    Raises:
        AudioError: as :func:`read_audio`; a truncated file is detected at its end.
    """
    with opened(path) as source:
        chosen = list(range(source.channels) if channels is None else channels)
        for channel in chosen:
            check_channel(source, channel)
        resampler = soxr.ResampleStream(source.rate, fs, len(chosen), dtype="float32")
        count = 0
        for block in source.blocks(size=max(1, round(seconds * source.rate))):
            block = np.ascontiguousarray(block[:, chosen])
            count += len(block)
            _check_finite(source, block)
            yield resampler.resample_chunk(block)
        _check_length(source, count, fs)
        yield resampler.resample_chunk(np.zeros((0, len(chosen)), np.float32), last=True)


def read_header(path: PathLike, mono: bool = False) -> tuple[int, int]:
    """Return the length in samples and the sampling rate in Hz, as far as can be by the header.

    Args:
        path: any format of libsndfile.
        mono: refuse several channels.

    Raises:
        AudioError: the file is missing, unreadable, truncated as far as the header shows, empty or
            too short, or has several channels.
    """
    with opened(path) as source:
        if mono:
            check_channel(source, None)
        _check_length(source, source.length)
        return source.length, source.rate


def check_sounding(path: PathLike) -> tuple[int, int]:
    """Read a mono file to its end, and return its length in samples and its rate in Hz.

    Raises:
        AudioError: as :func:`read_audio`, and where it is silent.
    """
    samples, rate = read_audio(path)
    if not samples.any():
        raise AudioError(SILENT, str(path))
    return len(samples), rate


def resampled(source: Source, samples: np.ndarray, fs: Optional[int]) -> tuple[np.ndarray, int]:
    """Check (samples,) or (samples, channels) of a file.

    Returns:
        Them at ``fs`` Hz (None: as they are), and their rate.
    """
    _check_length(source, len(samples), fs)
    _check_finite(source, samples)
    if fs is None or fs == source.rate:
        return samples, source.rate
    return soxr.resample(samples, source.rate, fs), fs


def _check_finite(source: Source, samples: np.ndarray) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(NOT_FINITE, source.where)


def _check_length(source: Source, count: int, fs: Optional[int] = None) -> None:
    if count < source.rate / (2 * (fs or LEAST_RATE)):
        raise AudioError(TOO_SHORT if count else NO_SAMPLES, source.where)


def check_channel(source: Source, channel: Optional[int]) -> None:
    """Raise :class:`AudioError` where a file lacks a channel, or has several and none is chosen."""
    if channel is None and source.channels > 1:
        remedy = "extract one first (format_data_dir --channel)"
        raise AudioError(f"audio has {source.channels} channels: {remedy}", source.where)
    if channel is not None and not 0 <= channel < source.channels:
        problem = f"audio has no channel {channel} but {source.channels} from 0 on"
        raise AudioError(problem, source.where)


def write_audio(path: PathLike, samples: np.ndarray, fs: int, subtype: str = "PCM_16") -> None:
    """Write an audio file, atomically; the suffix gives the format.

    Args:
        path: ``*.wav``, ``*.flac`` or another format of libsndfile.
        samples: (samples,) float, or (samples, channels).
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
