# SPDX-License-Identifier: Apache-2.0
"""Single- and multichannel recordings, in one file or in one file per channel."""

from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional, TypeVar

import numpy as np

from espnet_cbpc.data.audio.audio_file import check_channel, read_audio, read_header, resampled
from espnet_cbpc.data.audio.audio_source import AudioError, opened
from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.utils.cli import listed

Result = TypeVar("Result")
DIFFERENT_LENGTHS = "channels differ in length: replace the truncated ones, or leave it out"
DIFFERENT_RATES = "channels differ in sampling rate: resample them alike"


class Header(NamedTuple):
    """What the headers of a recording tell.

    Attributes:
        frames: samples of each channel.
        rate: Hz.
        channels: how many.
    """

    frames: int
    rate: int
    channels: int


def read_recording(
    entry: str, fs: Optional[int] = None, channel: Optional[int] = None
) -> tuple[np.ndarray, int]:
    """Read a recording, resampled if needed.

    Args:
        entry: of a table, see :func:`.columns`.
        fs: sampling rate in Hz to resample to; None keeps the file's.
        channel: the channel to take, from 0; None: all.

    Returns:
        (samples,) float32 of one channel, (samples, channels) of several; the sampling rate in Hz.

    Raises:
        AudioError: see :func:`.read_audio`; or channels of different lengths or rates, or columns
            that have several channels themselves.
    """
    files = columns(entry)
    if len(files) == 1:
        return _read_file(entry, fs, channel)
    if channel is not None:
        if not 0 <= channel < len(files):
            raise AudioError(f"audio has no channel {channel} but {len(files)} from 0 on", files[0])
        return read_audio(files[channel], fs)
    signals = _of_each(files, lambda file: read_audio(file, fs))
    rate = _common(files, [rate for _, rate in signals], DIFFERENT_RATES, "Hz")
    _common(files, [len(samples) for samples, _ in signals], DIFFERENT_LENGTHS, "samples")
    return np.stack([samples for samples, _ in signals], axis=1), rate


def read_recording_header(entry: str) -> Header:
    """Return what headers tell of a recording; raises what :func:`read_recording` raises."""
    files = columns(entry)
    if len(files) == 1:
        frames, rate = read_header(entry)
        with opened(entry) as source:
            return Header(frames, rate, source.channels)
    headers = _of_each(files, lambda file: read_header(file, mono=True))
    rate = _common(files, [rate for _, rate in headers], DIFFERENT_RATES, "Hz")
    frames = _common(files, [frames for frames, _ in headers], DIFFERENT_LENGTHS, "samples")
    return Header(frames, rate, len(files))


def _read_file(path: str, fs: Optional[int], channel: Optional[int]) -> tuple[np.ndarray, int]:
    with opened(path) as source:
        if channel is not None:
            check_channel(source, channel)
        kept = slice(None) if channel is None and source.channels > 1 else channel or 0
        blocks = [block[:, kept] for block in source.blocks()]
        samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        return resampled(source, samples, fs)


def _of_each(files: Sequence[str], read: Callable[[str], Result]) -> list[Result]:
    """Read each file once, however often it comes."""
    found: dict[str, Result] = {file: read(file) for file in dict.fromkeys(files)}
    return [found[file] for file in files]


def _common(files: Sequence[str], values: Sequence[int], problem: str, unit: str) -> int:
    """Return the one value of all files."""
    if len(set(values)) > 1:
        shown = listed((f"{file} {value}" for file, value in zip(files, values)), len(files))
        raise AudioError(problem, f"{shown} ({unit})")
    return values[0]
