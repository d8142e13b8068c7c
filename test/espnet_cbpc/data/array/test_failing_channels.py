# SPDX-License-Identifier: Apache-2.0
"""Failing microphones: each way to fail is found, and good ones are left alone."""

import numpy as np
import pytest

from espnet_cbpc.data.array.failing_channels import (
    CLIPS,
    DROPS_OUT,
    SILENT,
    UNLIKE,
    channel_correlations,
    failing_channels,
    kept_channels,
)
from espnet_cbpc.data.audio.audio_file import AudioError

FS = 16000


def array(channels=5, seconds=4.0, seed=0, level=0.3, delay=7):
    """A talker with pauses, and noise from the other side, at microphones that hiss: (N, C)."""
    rng = np.random.default_rng(seed)
    count, margin = round(seconds * FS), 400
    coloured = [
        np.convolve(rng.standard_normal(count + 2 * margin), np.hanning(width), "same")
        for width in (9, 33)
    ]
    talker = coloured[0] * np.maximum(0, np.sin(np.arange(count + 2 * margin) / FS * 5))
    parts = [
        talker[margin - delay * c :][:count] + 0.1 * coloured[1][margin + delay * c :][:count]
        for c in range(channels)
    ]
    samples = np.stack(parts, axis=1) + 0.01 * rng.standard_normal((count, channels))
    samples *= level / np.abs(samples).max()
    return (np.round(samples * 2**15) / 2**15).astype(np.float32)


def found(samples):
    return {one.channel: one.reason for one in failing_channels(samples, FS, "a.wav")}


def dead(samples, rng):
    samples[:, 2] = 0


def constant(samples, rng):
    samples[:, 2] = 0.1


def switched_off(samples, rng):
    samples[:, 2] = rng.integers(-1, 2, len(samples)) / 2**15


def dropping_out(samples, rng):
    for begin in (9000, 31000, 40000):
        samples[begin : begin + 1200, 2] = 0


def clipping(samples, rng):
    samples[:, 2] = np.clip(8 * samples[:, 2], -0.5, 0.5)


def crackling(samples, rng):
    for begin in range(0, len(samples) - 200, 1500):
        samples[begin : begin + 200, 2] = 0.9 * rng.uniform(-1, 1, 200)


def humming(samples, rng):
    samples[:, 2] = 0.2 * np.sin(2 * np.pi * 50 * np.arange(len(samples)) / FS)


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (dead, SILENT),
        (constant, SILENT),
        (switched_off, SILENT),
        (dropping_out, DROPS_OUT),
        (clipping, CLIPS),
        (crackling, UNLIKE),
        (humming, UNLIKE),
    ],
)
def test_a_failing_channel_is_found(spoil, reason):
    samples = array()
    spoil(samples, np.random.default_rng(1))
    assert found(samples) == {2: reason}


@pytest.mark.parametrize("channels", [2, 3, 6, 8])
@pytest.mark.parametrize("level", [0.003, 0.3, 1.0])
def test_good_channels_are_left_alone(channels, level):
    for seed in range(4):
        assert found(array(channels, seed=seed, level=level)) == {}


def test_microphones_of_other_gains_are_good():
    samples = array()
    assert found(samples * np.float32([1, 0.1, 0.5, 1, 0.05])) == {}


def test_several_fail_each_for_its_own_reason():
    samples, rng = array(6), np.random.default_rng(1)
    samples[:, 0] = 0
    samples[:, 5] = 0.05 * rng.standard_normal(len(samples))
    clipping(samples, rng)
    assert found(samples) == {0: SILENT, 2: CLIPS, 5: UNLIKE}


def test_two_with_the_same_hum_do_not_vouch_for_one_another():
    samples, rng = array(5), np.random.default_rng(1)
    humming(samples, rng)
    samples[:, 4] = 0.5 * samples[:, 2]
    assert found(samples) == {2: UNLIKE, 4: UNLIKE}


def test_what_replaces_is_good_and_has_most_in_common():
    samples, rng = array(delay=0), np.random.default_rng(1)
    hiss = 0.02 * rng.standard_normal(samples.shape)
    samples += (hiss * [3, 1, 1, 2, 3]).astype(np.float32)
    clipping(samples, rng)  # nearest to channel 1, which is the least noisy one
    samples[:, 4] = 0  # like none: takes the most central of the good ones
    failing = failing_channels(samples, FS, "a.wav")
    assert [(one.channel, one.replaced_by) for one in failing] == [(2, 1), (4, 1)]
    assert failing[0].correlation == pytest.approx(channel_correlations(samples, FS)[2, 1])
    assert failing[1].correlation == 0
    assert kept_channels(5, failing) == [0, 1, 1, 3, 1]
    assert str(failing[1]) == "4:silent:0.00:1"


def test_of_two_that_are_unlike_none_is_accused():
    samples = array(2)
    samples[:, 1] = array(2, seed=5)[:, 1]
    assert found(samples) == {}
    samples[:, 0] = 0
    assert found(samples) == {0: SILENT}


def test_all_dead_is_an_error():
    with pytest.raises(AudioError, match="^a.wav: all channels fail: leave the recording out$"):
        failing_channels(np.zeros((FS, 3), np.float32), FS, "a.wav")


def test_correlations_are_of_the_best_delay_and_of_soft_parts_too():
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((2, 4 * FS))
    samples = np.stack([common, np.roll(common, 50), np.roll(common, 3000)], axis=1)
    samples[: 2 * FS, 1] = own[: 2 * FS]
    samples[2 * FS :] *= 0.001
    found = channel_correlations(samples, FS)
    np.testing.assert_array_equal(found, found.T)
    assert found[0, 1] == pytest.approx(0.5, abs=0.05)  # in half the time
    assert found[0, 2] < 0.1  # the delay is longer than any way between microphones


@pytest.mark.parametrize("length", [1, 100, 5000])
def test_short_recordings(length):
    assert found(array()[9000 : 9000 + length]) == {}
