# SPDX-License-Identifier: Apache-2.0
"""The example: always the same, and with the ratio that the page tells."""

import numpy as np
import pytest

from espnet_cbpc.data.mixing.snr import speech_active
from espnet_cbpc.demo.example import SNR, TEXT, VOICE, noisy_example, pink_noise


def test_power_falls_by_3_db_an_octave():
    power = np.square(np.abs(np.fft.rfft(pink_noise(2**16, 16000))))
    hertz = np.fft.rfftfreq(2**16, 1 / 16000)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].mean() for low in (250, 500, 1000, 2000)]
    assert np.allclose(np.diff(10 * np.log10(octaves)), -3, atol=0.7)


def test_is_16_bit_speech_at_its_snr():
    pytest.importorskip("espeakng_loader", reason="SKIPPED: no synthetic voice here")
    from espnet_cbpc.data.audio.espeak_speech import EspeakSynthesizer

    noisy = noisy_example(8000)
    assert noisy.dtype == np.int16 and 0.1 < np.abs(noisy).max() / 32768 <= 0.91
    speech = EspeakSynthesizer(8000).speak(TEXT, VOICE)
    active = speech_active(speech, 8000)
    gain = np.dot(noisy[active], speech[active]) / np.dot(speech[active], speech[active])
    noise = noisy[active] - gain * speech[active]
    snr = 10 * np.log10(np.mean((gain * speech[active]) ** 2) / np.mean(noise**2))
    assert snr == pytest.approx(SNR, abs=0.5)
