# SPDX-License-Identifier: Apache-2.0
"""Log-likelihood ratio: how badly the linear prediction of one signal fits the other."""

import numpy as np

from espnet_cbpc.scoring.quality.short_time import mean_of_lowest, windowed_frames

NARROW_BAND_BELOW = 10000  # Hz
NARROW_BAND_ORDER, WIDE_BAND_ORDER = 10, 16


def log_likelihood_ratio(ref: np.ndarray, inf: np.ndarray, fs: int) -> float:
    """Return log(a_inf R a_inf' / a_ref R a_ref'), averaged over the lowest 95 % of the frames.

    R is the autocorrelation matrix of a clean frame, a_ref and a_inf are the coefficients that
    predict the clean frame and the other; the order is 16, below 10 kHz 10. The values of frames
    are not limited, as in the program of the composite measure (the paper says [0, 2]).

    Source: Hu and Loizou 2008 (see :mod:`.segmental_snr`). Frames where a signal is digital silence
    have no ratio and are left out.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz.

    Returns:
        The mean, from 0 upwards; nan where no frame has a ratio.
    """
    order = NARROW_BAND_ORDER if fs < NARROW_BAND_BELOW else WIDE_BAND_ORDER
    ref_lags, inf_lags = (_autocorrelation(windowed_frames(x, fs), order) for x in (ref, inf))
    lag = np.abs(np.subtract.outer(np.arange(order + 1), np.arange(order + 1)))
    matrices = ref_lags[:, lag]  # (frames, order + 1, order + 1)
    energies = [
        np.einsum("fi,fij,fj->f", a, matrices, a)
        for a in (_prediction(inf_lags), _prediction(ref_lags))
    ]
    defined = (energies[0] > 0) & (energies[1] > 0)  # nan is not
    return mean_of_lowest(np.log(energies[0][defined] / energies[1][defined]))


def _autocorrelation(frames: np.ndarray, order: int) -> np.ndarray:
    """Return (frames, order + 1) lags."""
    length = frames.shape[1]
    lags = [np.sum(frames[:, : length - k] * frames[:, k:], axis=1) for k in range(order + 1)]
    return np.stack(lags, axis=1)


def _prediction(lags: np.ndarray) -> np.ndarray:
    """Return the prediction error filters (1, -a_1, ...), (frames, order + 1), by Levinson-Durbin.

    A frame without energy has nan.
    """
    filters = np.zeros_like(lags)
    filters[:, 0] = 1
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(lags[:, 0] > 0, lags[:, 0], np.nan)
        for i in range(1, lags.shape[1]):
            reflection = -np.sum(filters[:, :i] * lags[:, i:0:-1], axis=1) / error
            filters[:, 1 : i + 1] += reflection[:, None] * filters[:, i - 1 :: -1]
            error = error * (1 - reflection**2)
    return filters
