# SPDX-License-Identifier: Apache-2.0
"""Reverberation: aligned, level kept, and a reference with the early reflections alone."""

import numpy as np
import pytest

from espnet_cbpc.data.mixing.reverberation import reverberate
from espnet_cbpc.utils.cli import UserError

FS = 8000


def rir_of(*taps, length=4000):
    """A room impulse response with the given (sample, value) pairs."""
    rir = np.zeros(length, dtype=np.float32)
    for sample, value in taps:
        rir[sample] = value
    return rir


def speech(length=8000, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)


def test_reflections_after_the_cut_are_in_the_reverberant_speech_alone():
    """Direct path at 100, an early reflection just before the cut, a late one just after."""
    x = speech()
    end = 100 + 400  # 50 ms at 8 kHz
    early, heard = reverberate(x, rir_of((100, 1.0), (end, 0.5), (end + 1, 0.25)), FS, 50.0)
    expected = x.astype(np.float64)
    expected[400:] += 0.5 * x[:-400]
    gain = np.sqrt(np.sum(x.astype(np.float64) ** 2) / np.sum(expected**2))
    np.testing.assert_allclose(early, gain * expected, atol=1e-6)
    expected[401:] += 0.25 * x[:-401]
    np.testing.assert_allclose(heard, gain * expected, atol=1e-6)


@pytest.mark.parametrize("delay, sign, level", [(0, 1, 1e-3), (37, -1, 5.0), (3999, 1, 1.0)])
def test_delay_and_level_of_the_response_do_not_matter(delay, sign, level):
    x = speech()
    early, heard = reverberate(x, rir_of((delay, sign * level)), FS, 50.0)
    np.testing.assert_allclose(early, sign * x, atol=1e-6)
    np.testing.assert_allclose(heard, sign * x, atol=1e-6)


def test_reference_has_the_energy_of_the_speech_and_both_its_length_and_time():
    rng = np.random.default_rng(1)
    decay = np.exp(-np.arange(3000) / 600)
    rir = np.r_[np.zeros(60), 1.0, 0.3 * rng.normal(size=3000) * decay].astype(np.float32)
    x = speech(6000)
    early, heard = reverberate(x, rir, FS, 50.0)
    assert early.shape == heard.shape == x.shape
    assert np.sum(early**2) == pytest.approx(np.sum(x**2), rel=1e-4)
    for signal in (early, heard):
        shift = np.correlate(signal, x, "full").argmax() - (len(x) - 1)
        assert shift == 0
    assert np.sum(heard**2) > 1.05 * np.sum(early**2)


def test_response_longer_than_the_speech():
    x = speech(50)
    early, heard = reverberate(x, rir_of((10, 1.0), (30, 0.5)), FS, 0.0)
    np.testing.assert_allclose(early, x, atol=1e-7)
    np.testing.assert_allclose(heard[20:], x[20:] + 0.5 * x[:-20], atol=1e-6)


def test_silence_stays_silence():
    early, heard = reverberate(np.zeros(100, np.float32), rir_of((10, 1.0)), FS, 50.0)
    assert not early.any() and not heard.any()


@pytest.mark.parametrize("rir", [rir_of(), rir_of((3, np.nan)), np.zeros(0)])
def test_useless_responses_are_refused(rir):
    with pytest.raises(UserError, match="impulse response is silent or not finite"):
        reverberate(speech(), rir, FS, 50.0)
