# SPDX-License-Identifier: Apache-2.0
"""Parts of multichannel recordings: of one file, or of a file for each channel."""

from collections.abc import Sequence

import numpy as np

from espnet_cbpc.data.audio.audio_file import NOT_FINITE
from espnet_cbpc.data.audio.audio_source import AudioError, opened
from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.audio.recording import read_recording_header


def read_channels(entry: str, channels: Sequence[int], begin: int, count: int) -> np.ndarray:
    """Read channels of a recording, whose end its beginning follows.

    Args:
        entry: of a table, see :func:`espnet_cbpc.data.audio.columns.columns`.
        channels: which, in this order, from 0 on.
        begin: the first sample.
        count: how many samples.

    Returns:
        (channels, count) float32.

    Raises:
        AudioError: a file cannot be read, or has no such channel, or samples that are not finite.
    """
    header = read_recording_header(entry)
    missing = [channel for channel in channels if channel >= header.channels]
    if missing:
        raise AudioError(f"has {header.channels} channels, no channel {missing[0]}", entry)
    files = columns(entry)
    if len(files) == 1:
        read = _read(entry, begin, count)[:, list(channels)].T
    else:
        read = np.stack([_read(files[channel], begin, count)[:, 0] for channel in channels])
    if not np.isfinite(read).all():
        raise AudioError(NOT_FINITE, entry)
    return read


def _read(file: str, begin: int, count: int) -> np.ndarray:
    """Return samples of one file, (count, channels), round its end."""
    with opened(file) as source:
        if begin + count <= source.length:
            return np.concatenate(list(source.blocks(begin, begin + count)))
        whole = np.concatenate(list(source.blocks()))
    return np.take(whole, np.arange(begin, begin + count), axis=0, mode="wrap")
