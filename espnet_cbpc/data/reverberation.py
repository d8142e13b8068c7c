"""Reverberation by a room impulse response (RIR)."""

from typing import Tuple

import numpy as np
import scipy.signal

from espnet_cbpc.utils.cli import UserError


def reverberate(
    speech: np.ndarray, rir: np.ndarray, fs: int, early_ms: float
) -> Tuple[np.ndarray, np.ndarray]:
    """Put speech into a room, without moving it in time or changing its level.

    The direct path is the largest sample of the RIR. Its delay is taken out, so that both results are
    aligned with each other and with ``speech``. Both are scaled by one gain, which gives the early
    part the energy of ``speech``.

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
    if not rir.any() or not np.isfinite(rir).all():
        raise UserError("the room impulse response is silent or not finite: leave it out")
    direct = int(np.abs(rir).argmax())
    end = direct + 1 + round(early_ms / 1000 * fs)
    early, reverberant = (
        scipy.signal.oaconvolve(speech, part)[direct : direct + len(speech)]
        for part in (rir[:end], rir)
    )
    energy = np.vdot(early, early)
    gain = np.sqrt(np.vdot(speech, speech) / energy) if energy > 0 else 1.0
    return gain * early, gain * reverberant
