# SPDX-License-Identifier: Apache-2.0
"""Segmental signal-to-noise ratio."""

import math

import numpy as np

from espnet_cbpc.scoring.quality.short_time import windowed_frames

LOWEST_DB, HIGHEST_DB = -10.0, 35.0
EPS = np.finfo(np.float64).eps


def segmental_snr(ref: np.ndarray, inf: np.ndarray, fs: int) -> float:
    """Return the mean over frames of the SNR in dB, each frame's limited to [-10, 35] dB.

    Source: Hu and Loizou, "Evaluation of objective quality measures for speech enhancement",
    IEEE Trans. Audio, Speech, and Language Processing 16(1), 2008. The signals are compared as they
    are: neither level nor mean is adjusted.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz.

    Returns:
        The mean; nan for less than one frame.
    """
    signal = np.sum(windowed_frames(ref, fs) ** 2, axis=1)
    noise = np.sum(windowed_frames(ref - inf, fs) ** 2, axis=1)
    if not len(signal):
        return math.nan
    ratios = 10 * np.log10(signal / (noise + EPS) + EPS)
    return float(np.clip(ratios, LOWEST_DB, HIGHEST_DB).mean())
