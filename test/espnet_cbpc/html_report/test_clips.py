# SPDX-License-Identifier: Apache-2.0
"""Audio and spectrograms of known signals."""

import base64
from io import BytesIO

import numpy as np
import soundfile

from espnet_cbpc.html_report.clips import (
    MOST_COLUMNS,
    audio_uri,
    spectrogram,
    spectrogram_pictures,
    without_clipping,
)

FS = 8000


def tone(hertz, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * FS)) / FS)


def test_audio_is_kept_to_sixteen_bits():
    wave = tone(440)
    kind, _, content = audio_uri(wave, FS).partition(";base64,")
    assert kind == "data:audio/flac"
    heard, fs = soundfile.read(BytesIO(base64.b64decode(content)))
    assert fs == FS
    np.testing.assert_allclose(heard, wave, atol=2.0**-16 + 1e-9)


def test_a_tone_is_where_it_should_be_and_as_loud():
    quiet, loud = spectrogram(tone(1000, amplitude=0.05), FS), spectrogram(tone(1000), FS)
    frequencies = np.linspace(0, FS / 2, len(loud))
    middle = loud[:, loud.shape[1] // 2]
    assert frequencies[middle.argmax()] == 1000
    assert abs(loud.max() - quiet.max() - 20) < 0.01  # a tenth of the amplitude
    assert middle[frequencies > 1500].max() < middle.max() - 60


def test_long_and_short_clips_have_few_columns():
    assert spectrogram(tone(300, 60), FS).shape[1] <= MOST_COLUMNS
    assert spectrogram(tone(300, 0.005), FS).shape[1] == 1
    assert spectrogram(tone(300, 2), FS).shape[1] == 250  # one in 8 ms


def test_one_scale_for_all_clips_of_an_example():
    waves = {"noisy": (tone(500), FS), "clean": (tone(500, amplitude=0.005), FS)}
    pictures = spectrogram_pictures(waves, "test_seen, SNR 5 dB")
    assert "Spectrogram of noisy, test_seen, SNR 5 dB: 1.0 s, 0 to 4 kHz" in pictures["noisy"].alt
    assert "loudest point is at 0 dB" in pictures["noisy"].alt
    assert "loudest point is at -40 dB" in pictures["clean"].alt


def test_one_gain_for_all_clips():
    scaled = without_clipping({"a": np.array([2.0, -1.0]), "b": np.array([0.5])})
    np.testing.assert_allclose(scaled["a"], [1.0, -0.5])
    np.testing.assert_allclose(scaled["b"], [0.25])
    np.testing.assert_allclose(without_clipping({"a": np.array([0.5])})["a"], [0.5])
