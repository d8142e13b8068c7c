# SPDX-License-Identifier: Apache-2.0
"""Mix speech and noise at a signal-to-noise ratio measured where there is speech."""

import numpy as np

from espnet_cbpc.utils.cli import UserError

FRAME_SECONDS = 0.02
ACTIVE_RANGE_DB = 40.0
PEAK = 0.9  # largest magnitude of a mixture


class SilentNoiseError(UserError):
    """The noise has no power where there is speech."""


def speech_active(speech: np.ndarray, fs: int) -> np.ndarray:
    """Tell speech from pauses by frame energy.

    A frame of 20 ms is active if its mean power is within 40 dB of the loudest frame's.

    Args:
        speech: (samples,) floating-point clean speech.
        fs: sampling rate in Hz.

    Returns:
        (samples,) bool; all False if the speech is digital silence.
    """
    if not len(speech):
        return np.zeros(0, dtype=bool)
    frame = max(1, round(FRAME_SECONDS * fs))
    starts = np.arange(0, len(speech), frame)
    sizes = np.diff(np.append(starts, len(speech)))
    power = np.add.reduceat(np.square(speech), starts) / sizes
    threshold = power.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    return np.repeat((power > 0) & (power >= threshold), sizes)


def cut_noise(noise: np.ndarray, length: int, offset: int) -> np.ndarray:
    """Return ``length`` samples of ``noise`` from sample ``offset`` on, wrapping round its end.

    Raises:
        UserError: the noise has no samples.
    """
    if not len(noise):
        raise UserError("the noise has no samples: leave it out")
    return np.take(noise, np.arange(offset, offset + length), mode="wrap")


def noise_gain(speech: np.ndarray, noise: np.ndarray, snr_db: float, fs: int) -> float:
    """Return the gain that brings noise to a signal-to-noise ratio.

    The ratio is that of the mean powers of speech and noise over the speech-active samples
    (:func:`speech_active`).

    Args:
        speech: (samples,) speech.
        noise: (samples,) noise.
        snr_db: the ratio in dB.
        fs: sampling rate in Hz.

    Raises:
        SilentNoiseError: the noise is silent where there is speech.
        UserError: the speech is silent.
    """
    active = speech_active(speech, fs)
    if not active.any():
        raise UserError("the speech is silent or empty, so that no SNR is defined: leave it out")
    noise_power = np.mean(noise[active] ** 2)
    if noise_power == 0:
        raise SilentNoiseError(
            "the noise is silent where there is speech, so that no SNR is defined: "
            "choose another noise or offset"
        )
    return float(np.sqrt(np.mean(speech[active] ** 2) / noise_power / 10 ** (snr_db / 10)))


def peak_gain(peak: float, *signals: np.ndarray) -> float:
    """Return the one gain, at most 1, by which no sample of ``signals`` exceeds ``peak``."""
    loudest = max(float(max(signal.max(), -signal.min())) for signal in signals)
    return min(1.0, peak / loudest) if loudest > 0 else 1.0


def mix_at_snr(
    speech: np.ndarray, noise: np.ndarray, snr_db: float, fs: int, peak: float = PEAK
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add noise to speech at a signal-to-noise ratio, see :func:`noise_gain`.

    If the mixture or a part of it would exceed ``peak``, all three signals are scaled by one gain,
    so that the ratio and the sum hold.

    Args:
        speech: (samples,) clean speech.
        noise: (any,) noise; repeated if too short, cut if too long.
        snr_db: the ratio in dB.
        fs: sampling rate in Hz.
        peak: largest magnitude of the results.

    Returns:
        ``(noisy, clean, scaled_noise)``, each (samples,) float32, with noisy = clean + noise.

    Raises:
        UserError: the speech is silent, or the noise is where there is speech.
    """
    clean = np.asarray(speech, dtype=np.float64)
    noise = cut_noise(np.asarray(noise, dtype=np.float64), len(clean), 0)
    noise = noise * noise_gain(clean, noise, snr_db, fs)
    gain = peak_gain(peak, clean + noise, clean, noise)
    clean, noise = (gain * clean).astype(np.float32), (gain * noise).astype(np.float32)
    return clean + noise, clean, noise
