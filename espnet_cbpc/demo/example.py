# SPDX-License-Identifier: Apache-2.0
"""Noisy speech to try the page with, made on the spot."""

from functools import lru_cache

import numpy as np

from espnet_cbpc.data.audio.espeak_speech import EspeakSynthesizer
from espnet_cbpc.data.mixing.snr import mix_at_snr

TEXT = "please send a taxi to the old railway station at a quarter to nine"
VOICE = "en-us+m3"
SNR = 5.0  # dB
SAYS = f"a synthetic voice (eSpeak NG) says “{TEXT}” in pink noise at {SNR:g} dB SNR."


@lru_cache(maxsize=1)
def noisy_example(fs: int) -> np.ndarray:
    """Return (N,) int16 samples at ``fs`` Hz, always the same.

    Raises:
        UserError: there is no synthetic voice, as it is not installed.
    """
    speech = EspeakSynthesizer(fs).speak(TEXT, VOICE)
    noisy, _, _ = mix_at_snr(speech, pink_noise(len(speech), fs), SNR, fs)
    return np.round(32767 * noisy).astype(np.int16)


def pink_noise(count: int, fs: int, seed: int = 0) -> np.ndarray:
    """Return ``count`` samples of Gaussian noise, whose power falls with frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / fs)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 50.0)), count)
