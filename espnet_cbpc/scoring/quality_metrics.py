"""Objective measures of speech quality for one utterance; nan where a measure is undefined."""

import math
import warnings
from typing import Dict

import numpy as np
import soxr
from pesq import BufferTooShortError, NoUtterancesError, pesq
from pystoi import stoi

from espnet_cbpc.scoring.composite import COMPOSITE, composite

WIDE_BAND = 16000
NARROW_BAND = 8000


def metric_names(fs: int) -> "tuple[str, ...]":
    """Return the names of the measures at a sampling rate of ``fs`` Hz."""
    pesq_name = "PESQ_NB" if fs == NARROW_BAND else "PESQ_WB"
    return (pesq_name, *COMPOSITE, "STOI", "ESTOI", "SI_SDR")


def speech_quality(ref: np.ndarray, inf: np.ndarray, fs: int) -> Dict[str, float]:
    """Compare a signal with its clean reference.

    Args:
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        fs: sampling rate in Hz. At 8 kHz PESQ is narrow band (ITU-T P.862.1), else wide band
            (P.862.2), after resampling to 16 kHz where need be; so are the composite measures.

    Returns:
        PESQ_NB or PESQ_WB (MOS-LQO), CSIG, CBAK and COVL (:mod:`espnet_cbpc.scoring.composite`),
        STOI (Taal et al. 2011), ESTOI (Jensen and Taal 2016) and SI_SDR in dB. nan: PESQ, and with
        it the composite measures, finds no speech or less than a quarter of a second, STOI less
        than 30 frames of speech, or a signal is silent.
    """
    ref, inf = ref.astype(np.float64), inf.astype(np.float64)
    return {
        **_pesq_and_composite(ref, inf, fs),
        "STOI": _stoi(ref, inf, fs, extended=False),
        "ESTOI": _stoi(ref, inf, fs, extended=True),
        "SI_SDR": si_sdr(ref, inf),
    }


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


def _pesq_and_composite(ref: np.ndarray, inf: np.ndarray, fs: int) -> Dict[str, float]:
    name = metric_names(fs)[0]
    if fs not in (NARROW_BAND, WIDE_BAND):
        ref, inf = (soxr.resample(signal, fs, WIDE_BAND) for signal in (ref, inf))
        fs = WIDE_BAND
    score = _pesq(ref, inf, fs)
    return {name: score, **composite(ref, inf, fs, score)}


def _pesq(ref: np.ndarray, inf: np.ndarray, fs: int) -> float:
    if not ref.any() or not inf.any():
        return math.nan
    try:
        return float(pesq(fs, ref, inf, "nb" if fs == NARROW_BAND else "wb"))
    except (NoUtterancesError, BufferTooShortError):
        return math.nan


def _stoi(ref: np.ndarray, inf: np.ndarray, fs: int, extended: bool) -> float:
    if not ref.any() or not inf.any():
        return math.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(stoi(ref, inf, fs, extended=extended))
        except RuntimeWarning:  # it would return 1e-5
            return math.nan
