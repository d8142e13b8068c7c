# SPDX-License-Identifier: Apache-2.0
"""STOI and ESTOI: how much of the clean speech's short-time envelopes is left."""

import math

import numpy as np
from pystoi.utils import resample_oct, thirdoct

RATE = 10000  # Hz
FRAME, HOP, BINS = 256, 128, 512  # samples, and of the Fourier transform
BANDS = thirdoct(RATE, BINS, 15, 150)[0]  # (15, 257), from 150 Hz upwards
RANGE = 40  # dB; what is further below the loudest clean frame is no speech
SEGMENT = 30  # frames
MOST_DISTORTION = 1 + 10 ** (15 / 20)  # times the clean envelope
EPS = np.finfo(np.float64).eps


def stoi_and_estoi(ref: np.ndarray, inf: np.ndarray, fs: int) -> dict[str, float]:
    """Return both measures, from one set of envelopes.

    Sources: Taal, Hendriks, Heusdens and Jensen, "An algorithm for intelligibility prediction of
    time-frequency weighted noisy speech", IEEE Trans. Audio, Speech, and Language Processing 19(7),
    2011; Jensen and Taal, "An algorithm for predicting the intelligibility of speech masked by
    modulated noise maskers", IEEE/ACM Trans. Audio, Speech, and Language Processing 24(11), 2016.
    The values are those of pystoi, which computes the envelopes for each of the two.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz.

    Returns:
        STOI and ESTOI; nan where less than 30 frames are speech.
    """
    both = (ref, inf) if fs == RATE else (resample_oct(x, RATE, fs) for x in (ref, inf))
    frames = _frames(_speech(np.stack(list(both))))
    if frames.shape[1] < SEGMENT:
        return {"STOI": math.nan, "ESTOI": math.nan}
    envelopes = np.sqrt(np.square(np.abs(np.fft.rfft(frames, BINS))) @ BANDS.T)
    segments = np.lib.stride_tricks.sliding_window_view(envelopes, SEGMENT, axis=1)
    clean, other = segments  # (segments, bands, frames of a segment)
    level = np.linalg.norm(clean, axis=2) / (np.linalg.norm(other, axis=2) + EPS)
    limited = np.minimum(other * level[..., None], clean * MOST_DISTORTION)
    rows = [_standardised(x, 2) for x in (clean, limited)]
    columns = [_standardised(_standardised(x, 2), 1) for x in segments]
    return {
        "STOI": float(np.sum(rows[0] * rows[1]) / clean[..., 0].size),
        "ESTOI": float(np.sum(columns[0] * columns[1]) / clean[:, 0].size),
    }


def _speech(signals: np.ndarray) -> np.ndarray:
    """Leave out of (2, samples) the frames where the first signal is silent."""
    frames = _frames(signals)
    levels = 20 * np.log10(np.linalg.norm(frames[0], axis=1) + EPS)
    kept = frames[:, levels > levels.max(initial=-np.inf) - RANGE]
    speech = np.zeros((2, kept.shape[1] + 1, HOP))
    speech[:, :-1] += kept[..., :HOP]
    speech[:, 1:] += kept[..., HOP:]
    return speech.reshape(2, -1)


def _frames(signals: np.ndarray) -> np.ndarray:
    """Return (2, frames, FRAME) under a Hann window; one that ends with the signal is left out."""
    if signals.shape[1] <= FRAME:
        return np.zeros((2, 0, FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(signals[:, :-1], FRAME, axis=1)[:, ::HOP]
    return frames * np.hanning(FRAME + 2)[1:-1]


def _standardised(x: np.ndarray, axis: int) -> np.ndarray:
    """Return vectors without their mean, and of length 1."""
    x = x - x.mean(axis=axis, keepdims=True)
    return x / (np.linalg.norm(x, axis=axis, keepdims=True) + EPS)
