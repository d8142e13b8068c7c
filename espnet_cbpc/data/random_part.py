"""A random part of a recording, of which no more is read than is needed."""

import math
from pathlib import Path
from typing import Tuple, Union

import numpy as np
import soundfile
import soxr

from espnet_cbpc.data.audio import CUT_SHORT, NO_SAMPLES, NOT_FINITE, UNREADABLE, AudioError
from espnet_cbpc.data.mixing import cut_noise


def random_part(
    path: Union[str, Path], length: int, fs: int, rng: np.random.Generator
) -> np.ndarray:
    """Read a part of a recording, from a random place and channel.

    A recording that is too short is repeated, from a random place on.

    Args:
        path: any format and sampling rate of libsndfile.
        length: number of samples wanted.
        fs: sampling rate wanted, in Hz.
        rng: where all randomness comes from.

    Returns:
        (length,) float32.

    Raises:
        AudioError: the file is missing, unreadable, cut short, empty, or not finite.
    """
    samples, rate = _read(path, length / fs, rng)
    samples = samples[:, rng.integers(samples.shape[1])]
    if not np.isfinite(samples).all():
        raise AudioError(NOT_FINITE, str(path))
    if rate != fs:
        samples = soxr.resample(samples, rate, fs)
    if len(samples) < length:
        samples = cut_noise(samples, length, int(rng.integers(max(1, len(samples)))))
    return samples[:length]


def _read(
    path: Union[str, Path], seconds: float, rng: np.random.Generator
) -> Tuple[np.ndarray, int]:
    """Return (frames, channels), of at least ``seconds`` where the file is long enough."""
    try:
        with soundfile.SoundFile(path) as f:
            wanted = min(f.frames, math.ceil(seconds * f.samplerate))
            f.seek(int(rng.integers(f.frames - wanted + 1)))
            samples, rate = f.read(wanted, dtype="float32", always_2d=True), f.samplerate
    except (soundfile.LibsndfileError, OSError) as e:
        raise AudioError(UNREADABLE, str(path)) from e
    if len(samples) < wanted:
        raise AudioError(CUT_SHORT, str(path))
    if not wanted:
        raise AudioError(NO_SAMPLES, str(path))
    return samples, rate
