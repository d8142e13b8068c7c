# SPDX-License-Identifier: Apache-2.0
import multiprocessing
import time

import numpy as np
import pytest

from espnet_cbpc.data.audio.espeak_speech import EspeakSynthesizer
from espnet_cbpc.utils.cli import UserError

TEXT = "place red above g nine now"
VOICES = ["en-us+m3", "en-gb-x-rp+f2", "de", "en+klatt2"]  # flutter, breath, plain, another engine


def speak(voice: str, fs: int = 8000) -> np.ndarray:
    return EspeakSynthesizer(fs).speak(TEXT, voice)


@pytest.mark.parametrize("voice", VOICES)
def test_same_samples_whatever_was_spoken_before(voice):
    synthesizer = EspeakSynthesizer(8000)
    first = synthesizer.speak(TEXT, voice)
    for other in VOICES:
        synthesizer.speak("bonjour tout le monde", other, rate=250, pitch=80)
    assert np.array_equal(synthesizer.speak(TEXT, voice), first)


def test_same_samples_in_another_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        remote = pool.starmap(EspeakSynthesizer(8000).speak, [(TEXT, v) for v in VOICES])
    time.sleep(1.1)  # espeak-ng's own seed is the time in seconds
    for voice, samples in zip(VOICES, remote):
        assert np.array_equal(samples, speak(voice))


def test_samples_are_audible_float32_without_long_silence():
    samples = speak("en-us+m3")
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert 1.0 < len(samples) / 8000 < 3.0
    assert 0.2 < np.abs(samples).max() <= 1.05
    audible = np.flatnonzero(np.abs(samples) > 0.004 * np.abs(samples).max())
    assert 0.03 <= audible[0] / 8000 <= 0.06
    assert (len(samples) - audible[-1]) / 8000 <= 0.06


def test_duration_does_not_depend_on_the_sampling_rate():
    assert len(speak("en-us+m3", 16000)) == pytest.approx(2 * len(speak("en-us+m3", 8000)), abs=2)


def pitch_track(samples: np.ndarray, fs: int) -> np.ndarray:
    """Strongest autocorrelation lag of loud frames between 60 and 240 Hz, in Hz."""
    frames = samples[: len(samples) // 512 * 512].reshape(-1, 512)
    frames = frames[np.square(frames).mean(1) > 0.3 * np.square(samples).mean()]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 1024)) ** 2)
    lags = np.arange(fs // 240, fs // 60)
    return fs / lags[correlation[:, lags].argmax(1)]


def test_rate_and_pitch_are_heard():
    synthesizer = EspeakSynthesizer(8000)
    normal = synthesizer.speak(TEXT, "en-us+m3", rate=150, pitch=40)
    fast = synthesizer.speak(TEXT, "en-us+m3", rate=300, pitch=40)
    high = synthesizer.speak(TEXT, "en-us+m3", rate=150, pitch=80)
    assert len(fast) < 0.7 * len(normal)
    median = [np.median(pitch_track(samples, 8000)) for samples in (normal, high)]
    assert median[1] > 1.2 * median[0]


def test_pitch_range_is_heard():
    synthesizer = EspeakSynthesizer(8000)
    flat, lively = (synthesizer.speak(TEXT, "en-us+Alex", pitch_range=r) for r in (0, 100))
    assert np.std(pitch_track(lively, 8000)) > 2 * np.std(pitch_track(flat, 8000))


def test_unknown_language():
    with pytest.raises(UserError, match="espeak-ng has no voice 'xx-nowhere': choose one under"):
        speak("xx-nowhere")


def test_unknown_variant():
    with pytest.raises(UserError, match=r"no voice 'en-us\+nobody': no variant 'nobody' in"):
        speak("en-us+nobody")


def test_an_error_leaves_the_synthesizer_usable():
    before = speak("en-us+m3")
    with pytest.raises(UserError):
        speak("xx-nowhere")
    assert np.array_equal(speak("en-us+m3"), before)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_to_say(text):
    with pytest.raises(UserError, match=f"finds nothing to say in the text '{text}'"):
        EspeakSynthesizer(8000).speak(text, "en-us")


@pytest.mark.parametrize(
    "name, value, limits",
    [
        ("rate", 79, "80 to 450"),
        ("rate", 451, "80 to 450"),
        ("pitch", -1, "0 to 100"),
        ("pitch_range", 101, "0 to 100"),
    ],
)
def test_values_out_of_range(name, value, limits):
    message = f"{name} {value} of voice 'en-us': must be {limits}"
    with pytest.raises(UserError, match=message):
        EspeakSynthesizer(8000).speak(TEXT, "en-us", **{name: value})
