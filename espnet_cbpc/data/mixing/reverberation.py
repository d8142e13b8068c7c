# SPDX-License-Identifier: Apache-2.0
"""Reverberation by a room impulse response (RIR)."""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from espnet_cbpc.utils.cli import UserError

MIN_BLOCK = 16384  # samples
STANDS_OUT = 0.5  # of the largest sample of a response


def reverberate(
    speech: np.ndarray, rir: np.ndarray, fs: int, early_ms: float
) -> tuple[np.ndarray, np.ndarray]:
    """Put speech into a room, without moving it in time or changing its level.

    The direct path is the largest sample of the RIR. Its delay is taken out, so that both results
    are aligned with each other and with ``speech``. Both are scaled by one gain, which gives the
    early part the energy of ``speech``.

    Args:
        speech: (samples,) clean speech.
        rir: (any,) room impulse response.
        fs: sampling rate of both in Hz.
        early_ms: how long after the direct path reflections are early, in ms: they help
            intelligibility, so that a reference may keep them.

    Returns:
        ``(early, reverberant)``, each (samples,): speech with the early reflections alone, and with
        all.

    Raises:
        UserError: the RIR is silent or not finite.
    """
    _check(rir)
    direct = int(np.abs(rir).argmax())
    early_rir = _early_part(rir, direct, fs, early_ms)
    early, reverberant = convolve(speech, np.stack([early_rir, rir]), direct)
    gain = _gain(speech, early)
    return gain * early, gain * reverberant


def reverberate_array(
    speech: np.ndarray, rirs: np.ndarray, fs: int, early_ms: float, ref_channel: int
) -> tuple[np.ndarray, np.ndarray]:
    """Put speech into a room in which an array of microphones hears it.

    What :func:`reverberate` does for one channel is done for the reference channel, but that the
    direct path is the first arrival; the delay and the gain are the same for all channels, so that
    differences between them stay.

    Args:
        speech: (samples,) clean speech.
        rirs: (channels, any) the room impulse response to each microphone.
        fs: sampling rate of both in Hz.
        early_ms: how long after the direct path reflections are early, in ms.
        ref_channel: the reference channel.

    Returns:
        ``(early, reverberant)``: (samples,) speech with the early reflections alone at the
        reference channel, and (channels, samples) with all.

    Raises:
        UserError: the response to a microphone is silent or not finite.
    """
    for rir in rirs:
        _check(rir)
    direct = _first_arrival(rirs[ref_channel])
    early_rir = _early_part(rirs[ref_channel], direct, fs, early_ms)
    heard = convolve(speech, np.concatenate([early_rir[None], rirs]), direct)
    heard *= _gain(speech, heard[0])
    return heard[0], heard[1:]


def _first_arrival(rir: np.ndarray) -> int:
    """Return the sample of the direct path: of what stands out, the first.

    It need not be the largest one: between two samples the direct path has 64 % of its height, and
    a reflection that falls on one may exceed that.
    """
    heights = np.abs(rir)
    first = int(np.argmax(heights >= STANDS_OUT * heights.max()))
    return first + int(heights[first : first + 2].argmax())


def _early_part(rir: np.ndarray, direct: int, fs: int, early_ms: float) -> np.ndarray:
    """Return the response (any,) without what comes late after the direct path."""
    end = direct + 1 + round(early_ms / 1000 * fs)
    return np.where(np.arange(len(rir)) < end, rir, 0).astype(rir.dtype)


def _check(rir: np.ndarray) -> None:
    if not rir.any() or not np.isfinite(rir).all():
        raise UserError("the room impulse response is silent or not finite: leave it out")


def _gain(speech: np.ndarray, early: np.ndarray) -> float:
    """Return the gain that gives the early part (N,) the energy of the speech (N,)."""
    energy = np.vdot(early, early)
    return np.sqrt(np.vdot(speech, speech) / energy) if energy > 0 else 1.0


def convolve(speech: np.ndarray, rirs: np.ndarray, start: int) -> np.ndarray:
    """Convolve speech (N,) with each of ``rirs`` (R, L): samples start to start + N, (R, N).

    Overlap-save. ``scipy.signal.oaconvolve`` takes blocks of fewest operations, too large for the
    cache, and transforms the speech again for each response: this is three times as fast.
    """
    # 1. Blocks of the speech that overlap by L - 1 samples: (B, block)
    overlap = rirs.shape[1] - 1
    block = scipy.fft.next_fast_len(max(MIN_BLOCK, 2 * overlap), real=True)
    step = block - overlap
    blocks = -(-(start + len(speech)) // step)
    padded = np.zeros(overlap + blocks * step, dtype=speech.dtype)
    padded[overlap : overlap + len(speech)] = speech
    framed = sliding_window_view(padded, block)[::step]

    # 2. Multiply the spectra: (1, B, F) * (R, 1, F)
    spectra = scipy.fft.rfft(framed)[None] * scipy.fft.rfft(rirs, block)[:, None]

    # 3. Of each block, what does not wrap round: (R, B, step) -> (R, N)
    wet = scipy.fft.irfft(spectra, block)[..., overlap:].reshape(len(rirs), -1)
    return wet[:, start : start + len(speech)]
