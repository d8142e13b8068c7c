# SPDX-License-Identifier: Apache-2.0
"""Segmental SNR, WSS, LLR and the composite measures: naive loops, known cases, real speech."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.mixing.snr import mix_at_snr
from espnet_cbpc.scoring.quality.composite import COMPOSITE, composite
from espnet_cbpc.scoring.quality.log_likelihood_ratio import log_likelihood_ratio
from espnet_cbpc.scoring.quality.segmental_snr import segmental_snr
from espnet_cbpc.scoring.quality.short_time import mean_of_lowest, windowed_frames
from espnet_cbpc.scoring.quality.utterance_quality import speech_quality
from espnet_cbpc.scoring.quality.weighted_spectral_slope import (
    BANDWIDTHS,
    CENTRES,
    weighted_spectral_slope,
)

RATES = (8000, 16000)


def speech_like(seconds, fs, seed=0):
    """Noise through moving resonances: spectra with peaks that change from frame to frame."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(int(seconds * 10)):
        low = rng.uniform(200, 3000)
        sos = scipy.signal.butter(2, [low, low * 1.2], "band", fs=fs, output="sos")
        parts.append(rng.uniform(0.2, 1) * scipy.signal.sosfilt(sos, rng.normal(size=fs // 10)))
    signal = np.concatenate(parts) + 1e-3 * rng.normal(size=sum(map(len, parts)))
    return 0.5 * signal / np.abs(signal).max()


def pair(fs, amount=0.05):
    clean = speech_like(1.0, fs)
    return clean, clean + amount * np.random.default_rng(9).normal(size=len(clean))


def loop_frames(x, fs):
    """The frames, one by one: as many as whole steps fit between the first and the last."""
    length = round(0.03 * fs)
    step = length // 4
    window = scipy.signal.windows.hann(length + 2)[1:-1]
    count = int(len(x) / step - length / step)
    return [x[i * step : i * step + length] * window for i in range(count)]


def lowest(values):
    values = sorted(values)
    return np.mean(values[: int(len(values) * 0.95 + 0.5)])


@pytest.mark.parametrize("fs", RATES)
def test_segmental_snr_is_that_of_a_loop(fs):
    clean, noisy = pair(fs)
    values = []
    for s, x in zip(loop_frames(clean, fs), loop_frames(noisy, fs)):
        ratio = 10 * math.log10(sum(s**2) / sum((s - x) ** 2))
        values.append(min(max(ratio, -10), 35))
    assert segmental_snr(clean, noisy, fs) == pytest.approx(np.mean(values), rel=1e-9)


def test_segmental_snr_of_scaled_speech_in_closed_form_and_its_limits():
    clean = speech_like(1.0, 16000)
    assert segmental_snr(clean, 1.1 * clean, 16000) == pytest.approx(20.0, abs=1e-3)
    assert segmental_snr(clean, clean, 16000) == 35
    assert segmental_snr(clean, -9 * clean, 16000) == -10


def loop_llr(s, x, order):
    def lags(frame):
        return np.array([np.dot(frame[: len(frame) - k], frame[k:]) for k in range(order + 1)])

    matrix = scipy.linalg.toeplitz(lags(s))
    energies = []
    for frame in (x, s):
        r = lags(frame)
        a = np.append(1, -scipy.linalg.solve_toeplitz(r[:-1], r[1:]))
        energies.append(a @ matrix @ a)
    return math.log(energies[0] / energies[1])


@pytest.mark.parametrize("fs, order", [(8000, 10), (16000, 16)])
def test_llr_is_that_of_a_loop(fs, order):
    clean, noisy = pair(fs)
    pairs = zip(loop_frames(clean, fs), loop_frames(noisy, fs))
    expected = lowest([loop_llr(s, x, order) for s, x in pairs])
    assert expected > 0.1
    assert log_likelihood_ratio(clean, noisy, fs) == pytest.approx(expected, rel=1e-6)


def test_llr_does_not_see_the_level_but_the_spectrum():
    clean = speech_like(1.0, 16000)
    assert log_likelihood_ratio(clean, clean, 16000) == 0
    assert log_likelihood_ratio(clean, 0.1 * clean, 16000) == pytest.approx(0, abs=1e-9)
    assert log_likelihood_ratio(clean, np.diff(clean, prepend=0), 16000) > 0.1


def test_llr_leaves_out_digital_silence():
    clean, noisy = pair(16000)
    silence = np.zeros(16000)
    longer = [np.concatenate([x, silence]) for x in (clean, noisy)]
    alone = log_likelihood_ratio(clean, noisy, 16000)
    assert log_likelihood_ratio(*longer, 16000) == pytest.approx(alone, rel=0.1)
    assert math.isnan(log_likelihood_ratio(clean, np.zeros_like(clean), 16000))


def loop_wss(s, x, fs):
    """One frame's distance, in the words of Hu and Loizou: band by band."""
    size = 2 ** math.ceil(math.log2(2 * len(s)))
    levels = []
    for frame in (s, x):
        power = np.abs(np.fft.fft(frame, size)[: size // 2]) ** 2
        level = []
        for centre, width in zip(CENTRES, BANDWIDTHS):
            place = math.floor(centre / (fs / 2) * (size / 2))
            bins = (np.arange(size // 2) - place) / (width / (fs / 2) * (size / 2))
            gain = np.exp(-11 * bins**2 + math.log(70) - math.log(width))
            gain[gain <= math.exp(-30 / 4.606)] = 0
            level.append(10 * math.log10(max(power @ gain, 1e-10)))
        levels.append(level)
    total = np.zeros(2)
    slopes = [np.diff(level) for level in levels]
    for band in range(24):
        weight = 0.0
        for level, slope in zip(levels, slopes):
            n = band
            if slope[band] > 0:
                while n < 24 and slope[n] > 0:
                    n += 1
                peak = level[n - 1]
            else:
                while n >= 0 and slope[n] <= 0:
                    n -= 1
                peak = level[n + 1]
            near, far = 1 / (1 + peak - level[band]), 20 / (20 + max(level) - level[band])
            weight += near * far / 2
        total += weight * np.array([(slopes[0][band] - slopes[1][band]) ** 2, 1])
    return total[0] / total[1]


@pytest.mark.parametrize("fs", RATES)
def test_wss_is_that_of_a_loop(fs):
    clean, noisy = pair(fs)
    pairs = zip(loop_frames(clean, fs), loop_frames(noisy, fs))
    expected = lowest([loop_wss(s, x, fs) for s, x in pairs])
    assert expected > 1
    assert weighted_spectral_slope(clean, noisy, fs) == pytest.approx(expected, rel=1e-9)


def test_wss_does_not_see_the_level():
    clean, noisy = pair(16000)
    assert weighted_spectral_slope(clean, clean, 16000) == 0
    assert weighted_spectral_slope(clean, 0.5 * clean, 16000) == pytest.approx(0, abs=1e-9)


def test_the_highest_twentieth_is_left_out():
    assert mean_of_lowest(np.array([1e9] + [1.0] * 19)) == 1
    assert mean_of_lowest(np.arange(10.0)) == 4.5  # of ten, 9.5 are kept: all
    assert math.isnan(mean_of_lowest(np.zeros(0)))


def test_signals_of_less_than_a_frame_have_no_values():
    short = np.ones(500)
    assert windowed_frames(short[:100], 16000).shape == (0, 480)
    assert windowed_frames(short, 16000).shape == (0, 480)
    for measure in (segmental_snr, log_likelihood_ratio, weighted_spectral_slope):
        assert math.isnan(measure(short, short, 16000))


def test_composite_is_the_published_regression():
    clean, noisy = pair(16000)
    llr, wss, snr = (
        measure(clean, noisy, 16000)
        for measure in (log_likelihood_ratio, weighted_spectral_slope, segmental_snr)
    )
    scores = composite(clean, noisy, 16000, 2.5)
    parts = np.array([1, llr, 2.5, wss, snr])
    table = {
        "CSIG": [3.093, -1.029, 0.603, -0.009, 0],
        "CBAK": [1.634, 0, 0.478, -0.007, 0.063],
        "COVL": [1.594, -0.512, 0.805, -0.007, 0],
    }
    for name, coefficients in table.items():
        assert scores[name] == pytest.approx(np.clip(parts @ coefficients, 1, 5))


def test_composite_is_limited_and_undefined_without_pesq():
    clean, _ = pair(16000)
    assert set(composite(clean, clean, 16000, 4.64).values()) == {5.0}
    worst = composite(clean, np.random.default_rng(0).normal(size=len(clean)), 16000, 1.02)
    assert worst["CSIG"] == 1
    assert all(math.isnan(v) for v in composite(clean, clean, 16000, math.nan).values())


def test_better_snr_gives_better_ratings_of_real_speech(shared_data):
    digits = [read_audio(shared_data / "fsdd" / f"{d}_theo_7.wav", 8000)[0] for d in range(6)]
    speech = np.concatenate(digits)
    noise = read_audio(shared_data / "nonspeech" / "n3.wav", 8000)[0]
    rows = []
    for snr in (-5, 5, 15, 30):
        noisy, clean, _ = mix_at_snr(speech, noise, snr, 8000)
        scores = speech_quality(clean, noisy, 8000)
        rows.append([scores[name] for name in COMPOSITE])
    assert (np.diff(rows, axis=0) > 0).all()
