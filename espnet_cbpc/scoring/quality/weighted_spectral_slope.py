# SPDX-License-Identifier: Apache-2.0
"""Weighted spectral slope distance: how differently the spectra rise and fall."""

from functools import cache

import numpy as np

from espnet_cbpc.scoring.quality.short_time import mean_of_lowest, windowed_frames

# Hz, of 25 critical bands: the tables of Hansen and Pellom's program.
CENTRES = np.array(
    "50 120 190 260 330 400 470 540 617.372 703.378 798.717 904.128 1020.38 1148.30 1288.72 "
    "1442.54 1610.70 1794.16 1993.93 2211.08 2446.71 2701.97 2978.04 3276.17 3597.63".split(),
    dtype=float,
)
BANDWIDTHS = np.array(
    "70 70 70 70 70 70 70 77.3724 86.0056 95.3398 105.411 116.256 127.914 140.423 153.823 "
    "168.154 183.457 199.776 217.153 235.631 255.255 276.072 298.126 321.465 346.136".split(),
    dtype=float,
)
GLOBAL_PEAK_DB, LOCAL_PEAK_DB = 20.0, 1.0  # how fast weights fall below a peak
SMALLEST_GAIN = np.exp(-30 / (2 * 2.303))  # -30 dB
FLOOR = 1e-10  # of a band's energy


def weighted_spectral_slope(ref: np.ndarray, inf: np.ndarray, fs: int) -> float:
    """Return the weighted squared difference of spectral slopes, of the lowest 95 % of the frames.

    A slope is the difference in dB of neighbouring critical bands; slopes near spectral peaks weigh
    more. The weights of a frame are normalised to the sum 1.

    Sources: Klatt, "Prediction of perceived phonetic distance from critical-band spectra", ICASSP
    1982; Hu and Loizou 2008 (see :mod:`.segmental_snr`).

    Args:
        ref: (samples,) clean speech, in [-1, 1].
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz, at least 8000.

    Returns:
        The mean, from 0 upwards; nan for less than one frame.
    """
    slopes, weights = zip(*(_slopes_and_weights(_band_levels(x, fs)) for x in (ref, inf)))
    weight = (weights[0] + weights[1]) / 2
    distances = np.sum(weight * (slopes[0] - slopes[1]) ** 2, axis=1) / np.sum(weight, axis=1)
    return mean_of_lowest(distances)


def _band_levels(signal: np.ndarray, fs: int) -> np.ndarray:
    """Return the level in dB of each critical band, (frames, bands)."""
    frames = windowed_frames(signal, fs)
    half = 1 << int(np.ceil(np.log2(frames.shape[1])))  # bins below fs / 2
    power = np.abs(np.fft.rfft(frames, 2 * half))[:, :half] ** 2
    return 10 * np.log10(np.maximum(power @ _filters(half, fs).T, FLOOR))


@cache
def _filters(bins: int, fs: int) -> np.ndarray:
    """Return Gaussian filters of equal area, (bands, bins)."""
    per_hertz = bins / (fs / 2)
    centre = np.floor(CENTRES * per_hertz)[:, None]
    width = (BANDWIDTHS * per_hertz)[:, None]
    gains = np.exp(-11 * ((np.arange(bins) - centre) / width) ** 2)
    gains *= (BANDWIDTHS[0] / BANDWIDTHS)[:, None]
    return np.where(gains > SMALLEST_GAIN, gains, 0)


def _slopes_and_weights(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes and their weights, (frames, bands - 1) each."""
    slopes = np.diff(levels, axis=1)
    below_global = levels.max(axis=1, keepdims=True) - levels[:, :-1]
    below_local = _nearest_peaks(levels, slopes) - levels[:, :-1]
    weights = GLOBAL_PEAK_DB / (GLOBAL_PEAK_DB + below_global)
    return slopes, weights * LOCAL_PEAK_DB / (LOCAL_PEAK_DB + below_local)


def _nearest_peaks(levels: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return the level of the peak that each slope belongs to.

    A rising slope looks up and takes, as the original program does, the last band before the peak;
    a falling one looks down and takes the peak itself.
    """
    peaks = np.empty_like(slopes)
    bands = slopes.shape[1]
    peaks[:, 0] = levels[:, 0]
    for band in range(1, bands):  # falling: the peak is where the fall began
        peaks[:, band] = np.where(slopes[:, band - 1] <= 0, peaks[:, band - 1], levels[:, band])
    last = levels[:, bands - 1]
    for band in reversed(range(bands)):  # rising: the peak is where the rise ends
        if band + 1 < bands:
            last = np.where(slopes[:, band + 1] > 0, last, levels[:, band])
        peaks[:, band] = np.where(slopes[:, band] > 0, last, peaks[:, band])
    return peaks
