# SPDX-License-Identifier: Apache-2.0
"""A random part of a recording, reading no more than needed."""

import math

import numpy as np

from espnet_cbpc.data.audio.audio_file import resampled
from espnet_cbpc.data.audio.audio_source import full_scale, opened
from espnet_cbpc.data.mixing.snr import cut_noise
from espnet_cbpc.utils.files import PathLike


def random_part(path: PathLike, length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Read a part of a recording, from a random place and channel.

    A recording that is too short is repeated, from a random place on.

    Args:
        path: any format and sampling rate of libsndfile.
        length: number of samples wanted.
        fs: sampling rate wanted, in Hz.
        rng: random generator.

    Returns:
        (length,) float32.

    Raises:
        AudioError: see :func:`espnet_cbpc.data.audio.audio_file.read_audio`.
    """
    with opened(path) as source:
        wanted = min(source.length, math.ceil(length / fs * source.rate))
        begin = int(rng.integers(source.length - wanted + 1))
        channel = rng.integers(source.channels)
        blocks = source.blocks(begin, begin + wanted, scaled=False)
        part = np.concatenate([np.zeros((0, source.channels), np.float32), *blocks])
        samples, _ = resampled(source, part[:, channel] / np.float32(full_scale(part)), fs)
    if len(samples) < length:
        samples = cut_noise(samples, length, int(rng.integers(len(samples))))
    return samples[:length]
