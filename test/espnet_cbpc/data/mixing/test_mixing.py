# SPDX-License-Identifier: Apache-2.0
"""Mixing: the SNR that was asked for, over the samples where there is speech."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_cbpc.data.mixing.snr import cut_noise, mix_at_snr, speech_active
from espnet_cbpc.utils.cli import UserError

FS = 8000


def gaps(rng, level=0.3):
    """Noise-like speech with a pause of digital silence before, in the middle and after."""
    speech = rng.normal(0, level, 8000)
    speech[:800] = speech[3200:4000] = speech[7200:] = 0
    return speech


@given(
    st.integers(0, 2**32 - 1),
    st.floats(-20, 40),
    st.integers(50, 20000),
    st.floats(0.001, 3),
    st.floats(0.1, 1.0),
)
def test_snr_sum_and_peak_hold(seed, snr, noise_length, level, peak):
    rng = np.random.default_rng(seed)
    speech = gaps(rng, level)
    noisy, clean, noise = mix_at_snr(speech, rng.normal(size=noise_length), snr, FS, peak)
    assert noisy.dtype == clean.dtype == noise.dtype == np.float32
    assert len(noisy) == len(clean) == len(noise) == len(speech)
    active = speech != 0  # independent of the function under test
    power = [np.sum(x[active].astype(np.float64) ** 2) for x in (clean, noise)]
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(snr, abs=1e-3)
    np.testing.assert_array_equal(noisy, clean + noise)
    assert max(np.abs(x).max() for x in (noisy, clean, noise)) <= peak * (1 + 1e-6)


def test_quiet_mixtures_keep_the_speech_as_it_was():
    speech = gaps(np.random.default_rng(0), 0.01)
    _, clean, _ = mix_at_snr(speech, np.random.default_rng(1).normal(size=99), 10.0, FS)
    np.testing.assert_array_equal(clean, speech.astype(np.float32))


def test_loud_mixtures_are_scaled_as_one():
    speech = gaps(np.random.default_rng(0), 0.5)
    _, clean, _ = mix_at_snr(speech, np.random.default_rng(1).normal(size=8000), 0.0, FS, 0.5)
    gain = clean[1000] / speech[1000]
    assert gain < 1
    np.testing.assert_allclose(clean, gain * speech, rtol=1e-5)


def test_pauses_do_not_count_towards_the_snr():
    """With the pauses counted in, the SNR of gated speech would come out lower."""
    speech = np.r_[np.zeros(4000), np.ones(4000)] * 0.1
    _, clean, noise = mix_at_snr(speech, np.ones(8000), 0.0, FS)
    assert np.abs(noise[4000:]).mean() == pytest.approx(np.abs(clean[4000:]).mean(), rel=1e-5)


def test_active_frames_lie_within_40_db_of_the_loudest():
    levels = np.repeat([1.0, 10 ** (-39 / 20), 10 ** (-41 / 20), 0.0], 160)
    expected = np.repeat([True, True, False, False], 160)
    np.testing.assert_array_equal(speech_active(levels, FS), expected)


@pytest.mark.parametrize("length", [0, 1, 159, 161])
def test_activity_of_odd_lengths_and_silence(length):
    assert speech_active(np.ones(length), FS).tolist() == [True] * length
    assert speech_active(np.zeros(length), FS).tolist() == [False] * length


@given(st.integers(1, 50), st.integers(0, 200), st.integers(0, 500))
def test_noise_is_cut_and_wraps(size, length, offset):
    noise = np.arange(size)
    expected = [(offset + i) % size for i in range(length)]
    assert cut_noise(noise, length, offset).tolist() == expected


def test_silence_has_no_snr():
    ones, zeros = np.ones(800), np.zeros(800)
    for silent in (zeros, zeros[:0]):
        with pytest.raises(UserError, match="speech is silent or empty"):
            mix_at_snr(silent, ones, 0, FS)
    with pytest.raises(UserError, match="noise is silent where there is speech"):
        mix_at_snr(np.r_[ones, zeros], np.r_[zeros, ones], 0, FS)
    with pytest.raises(UserError, match="noise has no samples"):
        mix_at_snr(ones, zeros[:0], 0, FS)
