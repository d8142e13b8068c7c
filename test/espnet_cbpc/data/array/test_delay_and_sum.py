# SPDX-License-Identifier: Apache-2.0
"""Delay-and-sum on arrays whose delays, levels and noise are known."""

import numpy as np
import pytest

from espnet_cbpc.data.array.delay_and_sum import DelayAndSum
from espnet_cbpc.utils.cli import UserError

FS = 16000
DELAYS = np.array([3.0, 0.0, 7.5, 1.25, 11.0, 5.75])  # samples
BEAMFORM = DelayAndSum(FS)


def delayed(signal, delay):
    """The signal, so many samples later, fractions too."""
    turns = np.fft.rfftfreq(2 * len(signal))
    shifted = np.fft.irfft(
        np.fft.rfft(signal, 2 * len(signal)) * np.exp(-2j * np.pi * turns * delay)
    )
    return shifted[: len(signal)]


def source(seconds=3.0, seed=0):
    """Noise below 4 kHz whose level changes as that of speech does."""
    n = round(seconds * FS)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum[len(spectrum) // 2 :] = 0
    syllables = np.sin(np.pi * 3 * np.arange(n) / FS) ** 2
    return np.fft.irfft(spectrum, n) * syllables


def array(signal, delays=DELAYS, snr_db=0.0, seed=1):
    """(N, C): the signal with delays, and noise of its own in each channel."""
    heard = np.stack([delayed(signal, delay) for delay in delays], axis=1)
    noise = np.random.default_rng(seed).standard_normal(heard.shape)
    return heard + noise * np.sqrt(np.mean(signal**2) / 10 ** (snr_db / 10))


def snr(estimate, signal):
    return 10 * np.log10(np.sum(signal**2) / np.sum((estimate - signal) ** 2))


@pytest.mark.parametrize("reference", [0, 2])
def test_without_noise_the_reference_comes_out(reference):
    signal = source()
    out = BEAMFORM(array(signal, snr_db=60), reference)
    assert out.shape == signal.shape and out.dtype == np.float32
    assert snr(out, delayed(signal, DELAYS[reference])) > 25


def test_six_channels_gain_what_six_can():
    signal = source()
    noisy = array(signal, snr_db=0)
    gain = snr(BEAMFORM(noisy, 0), delayed(signal, DELAYS[0])) - snr(
        noisy[:, 0], delayed(signal, 3)
    )
    assert 7.0 < gain < 10 * np.log10(6) + 0.3  # 7.8 dB, if delays and weights are right


def test_a_source_that_moves_is_followed():
    parts = [source(seed=seed) for seed in (0, 1)]
    ways = [DELAYS, DELAYS[::-1]]
    noisy = np.concatenate([array(part, way, snr_db=5) for part, way in zip(parts, ways)])
    heard = np.concatenate([delayed(part, way[1]) for part, way in zip(parts, ways)])
    out = BEAMFORM(noisy, 1)
    for part in (slice(0, 2 * FS), slice(4 * FS, None)):  # a second from where it changes
        assert snr(out[part], heard[part]) > snr(noisy[part, 1], heard[part]) + 6


def test_a_channel_of_something_else_is_left_out():
    signal = source()
    noisy = array(signal, snr_db=5)
    good = snr(BEAMFORM(noisy[:, 1:], 0), delayed(signal, DELAYS[1]))
    for spoilt in (
        np.zeros(len(signal)),
        5 * np.random.default_rng(7).standard_normal(len(signal)),
    ):
        noisy[:, 0] = spoilt
        assert snr(BEAMFORM(noisy, 1), delayed(signal, DELAYS[1])) > good - 0.3
        chosen = BEAMFORM(noisy)  # whichever is the most like the others, not that one
        assert max(snr(chosen, delayed(signal, delay)) for delay in DELAYS[1:]) > good - 0.5


def test_levels_of_microphones_do_not_count():
    signal = source()
    noisy = array(signal, snr_db=0)
    gains = np.array([1.0, 0.1, 3.0, 0.5, 1.0, 2.0])
    out = BEAMFORM(noisy * gains, 0)
    np.testing.assert_allclose(out, BEAMFORM(noisy, 0), atol=0.03 * np.abs(out).max())


def test_odd_recordings():
    assert BEAMFORM(np.zeros((8000, 3)), 0).tolist() == [0.0] * 8000
    one = source()[:5001, None]
    np.testing.assert_allclose(BEAMFORM(one), one[:, 0], atol=1e-6)
    assert BEAMFORM(np.ones((1, 2))).shape == (1,)
    with pytest.raises(UserError, match="no reference channel 6 among 6, from 0 on"):
        BEAMFORM(array(source()), 6)
    with pytest.raises(UserError, match="max_delay 0.3 s, window 0.5 s"):
        DelayAndSum(FS, max_delay=0.3)
