"""Recordings of several channels: one file, or one file for each channel."""

from pathlib import Path
from typing import List, NamedTuple, Sequence

import numpy as np

from espnet_cbpc.data.audio.audio_source import AudioError, opened


class Header(NamedTuple):
    """Samples of each channel, sampling rate in Hz, and how many channels there are."""

    length: int
    rate: int
    channels: int


def files_of(recording: str) -> List[str]:
    """Return the files of a recording by its Kaldi entry: a path, or one for each channel."""
    return [recording] if Path(recording).is_file() else recording.split()


def read_header(recording: str) -> Header:
    """Return what the files of a recording tell.

    Raises:
        AudioError: a file cannot be read, or the files of a recording do not fit each other.
    """
    headers = []
    for file in files_of(recording):
        with opened(file) as source:
            headers.append(Header(source.length, source.rate, source.channels))
    first = headers[0]
    if len(headers) == 1:
        return first
    if any(header != first._replace(channels=1) for header in headers):
        raise AudioError(
            "the channels differ in length or rate, or a file of one channel has several: "
            "restore the original files",
            recording,
        )
    return first._replace(channels=len(headers))


def read_channels(recording: str, channels: Sequence[int], begin: int, count: int) -> np.ndarray:
    """Read channels of a recording, whose end its beginning follows.

    Args:
        recording: as in a Kaldi list.
        channels: which, in this order, from 0 on.
        begin: the first sample.
        count: how many samples.

    Returns:
        (channels, count) float32.

    Raises:
        AudioError: a file cannot be read, or has no such channel, or samples that are not finite.
    """
    header = read_header(recording)
    missing = [channel for channel in channels if channel >= header.channels]
    if missing:
        raise AudioError(f"has {header.channels} channels, no channel {missing[0]}", recording)
    files = files_of(recording)
    if len(files) == 1:
        read = _read(files[0], begin, count)[:, list(channels)].T
    else:
        read = np.stack([_read(files[channel], begin, count)[:, 0] for channel in channels])
    if not np.isfinite(read).all():
        raise AudioError(
            "audio has samples that are not finite (NaN or inf): replace it", recording
        )
    return read


def _read(file: str, begin: int, count: int) -> np.ndarray:
    """Return samples of one file, (count, channels), round its end."""
    with opened(file) as source:
        if begin + count <= source.length:
            return np.concatenate(list(source.blocks(begin, begin + count)))
        whole = np.concatenate(list(source.blocks()))
    return np.take(whole, np.arange(begin, begin + count), axis=0, mode="wrap")
