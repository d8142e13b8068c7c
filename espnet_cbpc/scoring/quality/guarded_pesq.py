# SPDX-License-Identifier: Apache-2.0
"""PESQ by the reference implementation, guarded against its memory faults."""

import math
from functools import cache

import numpy as np
import scipy.signal

from espnet_cbpc.utils.extras import needs_extra
from espnet_cbpc.utils.fence import Fence

# The implementation has room for 50 stretches of speech (MAXNUTTERANCES). With more it writes over
# its own numbers: its values are wrong (from 52 on by the count here), or it crashes (from 60 on).
# Two are left for what the count here may differ by.
MOST_STRETCHES = 48
FRAME_SECONDS = 0.004
BAND = (250, 3400)  # Hz, about that of its input filter
LEAST_BURST, LEAST_PAUSE, LEAST_STRETCH = 5, 51, 50  # frames

_fenced = Fence()


def pesq(fs: int, ref: np.ndarray, inf: np.ndarray, mode: str) -> float:
    """Return PESQ of a signal; nan where no speech is found in it, or too little.

    Args:
        fs: sampling rate in Hz, 8000 or 16000.
        ref: (samples,) clean speech.
        inf: (samples,) noisy or enhanced speech.
        mode: ``nb`` (P.862.1) or ``wb`` (P.862.2).

    Raises:
        ValueError: too many pauses.
        Crashed: the implementation crashed.
        PesqError: what else it refuses.
        UserError: the package pesq, an extra, is not installed.
    """
    with needs_extra("PESQ", "pesq"):
        import pesq as library
    stretches = speech_stretches(ref, fs)
    if stretches > MOST_STRETCHES:
        raise ValueError(f"{stretches} stretches of speech are too many for PESQ")
    try:
        return float(_fenced(library.pesq, fs, ref, inf, mode))
    except (library.BufferTooShortError, library.NoUtterancesError):
        return math.nan


def speech_stretches(ref: np.ndarray, fs: int) -> int:
    """Return about how many stretches of speech, parted by pauses of 0.2 s, PESQ finds.

    Source: ITU-T P.862, voice activity detection: frames of 4 ms above a threshold that follows
    the mean and deviation of those below it; bursts of up to 4 frames and pauses of up to 50 do not
    count, nor do stretches of less than 50.

    Args:
        ref: (samples,) clean speech.
        fs: sampling rate in Hz, at least 8000.
    """
    size = round(FRAME_SECONDS * fs)
    if len(ref) < LEAST_STRETCH * size:
        return 0
    heard = scipy.signal.sosfilt(_band(fs), ref)[: len(ref) // size * size]
    power = np.square(heard.reshape(-1, size)).mean(axis=1)
    power = np.maximum(power, 1e-4 * power.max())
    threshold = power.mean()
    for _ in range(12):
        quiet = power[power <= threshold]
        threshold = 1.001 * (quiet.mean() + 2 * quiet.std())
    edges = np.flatnonzero(np.diff(power > threshold, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    long = ends - begins >= LEAST_BURST
    begins, ends = begins[long], ends[long]
    pauses = begins[1:] - ends[:-1] >= LEAST_PAUSE
    begins = begins[np.append(True, pauses)[: len(begins)]]
    ends = ends[np.append(pauses, True)[: len(ends)]]
    return int(np.count_nonzero(ends - begins >= LEAST_STRETCH))


@cache
def _band(fs: int) -> np.ndarray:
    return scipy.signal.butter(4, BAND, "bandpass", fs=fs, output="sos")
