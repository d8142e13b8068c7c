# SPDX-License-Identifier: Apache-2.0
"""Objective measures of speech quality for one utterance; nan where a measure is undefined."""

import logging
import math
from collections.abc import Collection
from functools import cache, partial
from typing import Callable, Optional, TypeVar

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from espnet_cbpc.scoring.quality.composite import COMPOSITE, composite
from espnet_cbpc.scoring.quality.dnsmos import dnsmos
from espnet_cbpc.scoring.quality.guarded_pesq import pesq
from espnet_cbpc.scoring.quality.intelligibility import stoi_and_estoi
from espnet_cbpc.scoring.quality.measures import (
    DEFAULT,
    DNSMOS,
    MEASURES,
    NARROW_BAND,
    WIDE_BAND,
    chosen_measures,
    pesq_band,
)
from espnet_cbpc.scoring.quality.segmental_snr import segmental_snr
from espnet_cbpc.utils.cli import UserError

TAPS = 512  # of the filter that SDR allows for, as in BSS eval
MOST_SDR = 100.0  # dB; beyond, rounding decides
LEAST_NORM = 1e-6  # of a signal that is scaled to 1

Value = TypeVar("Value")


def speech_quality(
    ref: np.ndarray, inf: np.ndarray, fs: int, measures: Optional[Collection[str]] = None
) -> dict[str, float]:
    """Compare a signal with its clean reference.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz. PESQ and the composite measures are computed at 8 or 16 kHz, to
            which (16) other rates are resampled.
        measures: names out of :data:`.measures.MEASURES`; None: the default.

    Returns:
        What was asked for: PESQ_NB (ITU-T P.862.1, MOS-LQO), PESQ_WB (P.862.2), CSIG, CBAK and COVL
        (:mod:`.composite`, by the PESQ of the rate), STOI and ESTOI (:mod:`.intelligibility`),
        SI_SDR, SDR and SEGSNR (segmental SNR) in dB, DNSMOS_* (which looks at ``inf`` alone).
        nan: PESQ, and with it the composite measures, finds no speech,
        less than a quarter of a second, or more pauses than it has room for, STOI less than 30
        frames of speech, SDR less than its filter, a signal is silent, or a measure fails on
        whatever else, which is logged.
    """
    names = chosen_measures((DEFAULT,), fs) if measures is None else measures
    ref, inf = ref.astype(np.float64), inf.astype(np.float64)
    if not ref.any() or not inf.any():
        return dict.fromkeys(names, math.nan)
    found = _pesq_and_composite(ref, inf, fs, names)
    alone = {
        "SI_SDR": lambda: si_sdr(ref, inf),
        "SDR": lambda: sdr(ref, inf),
        "SEGSNR": lambda: segmental_snr(ref, inf, fs),
    }
    for name, compute in alone.items():
        if name in names:
            found[name] = _attempted(name, compute, math.nan)
    together = {
        ("STOI", "ESTOI"): lambda: stoi_and_estoi(ref, inf, fs),
        tuple(DNSMOS): lambda: dnsmos(inf, fs),
    }
    for several, compute_all in together.items():
        if not set(several).isdisjoint(names):
            undefined = dict.fromkeys(several, math.nan)
            found.update(_attempted(several[0], compute_all, undefined))
    return {name: found[name] for name in MEASURES if name in names}


def si_sdr(ref: np.ndarray, inf: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of zero-mean signals.

    Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) estimate.

    Returns:
        The ratio; nan where either signal is constant.
    """
    ref, inf = ref - ref.mean(), inf - inf.mean()
    if not ref.any() or not inf.any():
        return math.nan
    target = (inf @ ref) / (ref @ ref) * ref
    distortion = inf - target
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(target @ target) - np.log10(distortion @ distortion)))


def sdr(ref: np.ndarray, inf: np.ndarray) -> float:
    """Signal-to-distortion ratio in dB, where a filter of 512 taps is no distortion (BSS eval 3).

    Source: Vincent, Gribonval and Fevotte, "Performance measurement in blind audio source
    separation", IEEE Trans. Audio, Speech, and Language Processing 14(4), 2006; computed as in
    Scheibler, "SDR - medium rare with fast computations", ICASSP 2022. The values are those of
    fast_bss_eval, whose import takes longer than most sets to score, as it brings torch.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) estimate.

    Returns:
        The ratio, within [-100, 100]; nan where there are fewer samples than taps, or the reference
        is such that the filter is not determined (silence).
    """
    if len(ref) < TAPS:
        return math.nan
    both = np.stack([ref, inf])
    both = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), LEAST_NORM)
    size = 1 << (2 * len(ref) - 2).bit_length()
    clean, other = np.fft.rfft(both, size)
    lags = np.fft.irfft(np.square(np.abs(clean)), size)[:TAPS]
    cross = np.fft.irfft(clean.conj() * other, size)[:TAPS]
    toeplitz = sliding_window_view(np.concatenate([lags[:0:-1], lags]), TAPS)[::-1]
    try:
        explained = cross @ np.linalg.solve(toeplitz, cross)
    except np.linalg.LinAlgError:
        return math.nan
    least = 1 / (1 + 10 ** (MOST_SDR / 10))
    explained = np.clip(explained, least, 1 - least)
    return float(10 * np.log10(explained / (1 - explained)))


def _pesq_and_composite(
    ref: np.ndarray, inf: np.ndarray, fs: int, names: Collection[str]
) -> dict[str, float]:
    rated = any(name in names for name in COMPOSITE)
    bands = {name for name in ("PESQ_NB", "PESQ_WB") if name in names}
    bands |= {pesq_band(fs)} if rated else set()
    if bands and fs not in (NARROW_BAND, WIDE_BAND):
        ref, inf = (soxr.resample(signal, fs, WIDE_BAND) for signal in (ref, inf))
        fs = WIDE_BAND
    found = {}
    for band in sorted(bands):
        mode = "nb" if band == "PESQ_NB" else "wb"
        found[band] = _attempted(band, partial(pesq, fs, ref, inf, mode), math.nan)
    if rated:
        compute = partial(composite, ref, inf, fs, found[pesq_band(fs)])
        found.update(_attempted("composite", compute, dict.fromkeys(COMPOSITE, math.nan)))
    return found


def _attempted(what: str, compute: Callable[[], Value], otherwise: Value) -> Value:
    """Return what is computed; otherwise where the library gives up, whatever it raises."""
    try:
        return compute()
    except (ImportError, UserError):
        raise
    except Exception as e:
        _tell_once(what, f"{type(e).__name__}: {e}")
        return otherwise


@cache
def _tell_once(what: str, why: str) -> None:
    logging.warning("%s is undefined for one or more utterances (%s)", what, why)
