# SPDX-License-Identifier: Apache-2.0
"""DNSMOS: ratings of speech that a neural network predicts without a reference."""

import numpy as np
import soxr

RATE = 16000  # Hz
NAMES = {
    "ovrl_mos": "DNSMOS_OVRL",
    "sig_mos": "DNSMOS_SIG",
    "bak_mos": "DNSMOS_BAK",
    "p808_mos": "DNSMOS_P808",
}


def dnsmos(signal: np.ndarray, fs: int) -> dict[str, float]:
    """Predict how listeners rate overall quality, speech and background (ITU-T P.835), and P.808.

    Source: Reddy, Gopal and Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech
    quality metric to evaluate noise suppressors", ICASSP 2022; the models are those from the
    package speechmos. They were made for 16 kHz: other rates are resampled, so that speech
    of 8 kHz is rated for the band it lacks too.

    Args:
        signal: (samples,) noisy or enhanced speech, scaled down where it exceeds [-1, 1].
        fs: sampling rate in Hz.

    Returns:
        DNSMOS_OVRL, DNSMOS_SIG, DNSMOS_BAK and DNSMOS_P808, from 1 to 5.

    Raises:
        ImportError: speechmos, or what it imports, is not installed.
    """
    from speechmos import dnsmos as model  # optional, and slow to import

    if fs != RATE:
        signal = soxr.resample(signal, fs, RATE)
    ratings = model.run(signal / max(1.0, np.abs(signal).max()), RATE)
    return {name: float(ratings[key]) for key, name in NAMES.items()}
