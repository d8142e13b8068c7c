# SPDX-License-Identifier: Apache-2.0
"""Frames that the segmental measures of speech quality share, and the mean of most of them."""

import math

import numpy as np

FRAME_SECONDS = 0.03
KEPT_FRACTION = 0.95


def windowed_frames(signal: np.ndarray, fs: int) -> np.ndarray:
    """Cut a signal into frames of 30 ms that overlap by three quarters, under a Hann window.

    Args:
        signal: (samples,).
        fs: sampling rate in Hz.

    Returns:
        (frames, samples of a frame); the last whole frame is left out, as Loizou's programs do,
        and there are no frames of a signal shorter than two steps and a frame.
    """
    length = round(FRAME_SECONDS * fs)
    step = length // 4
    if len(signal) < length:
        return np.zeros((0, length))
    frames = np.lib.stride_tricks.sliding_window_view(signal, length)[::step]
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1)))
    return frames[: (len(signal) - length) // step] * window


def mean_of_lowest(distances: np.ndarray) -> float:
    """Return the mean of the lowest 95 % of the frames' distances; nan where there are none.

    Source: Hansen and Pellom, "An effective quality evaluation protocol for speech enhancement
    algorithms", ICSLP 1998, who leave outliers out so.
    """
    kept = math.floor(KEPT_FRACTION * len(distances) + 0.5)
    return float(np.sort(distances)[:kept].mean()) if kept else math.nan
