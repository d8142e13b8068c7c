# SPDX-License-Identifier: Apache-2.0
"""Audio files read block by block."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import AudioError, audio_blocks, channel_blocks, read_audio

FS = 8000


@pytest.fixture
def stereo(tmp_path):
    path = tmp_path / "stereo.wav"
    samples = 0.1 * np.random.default_rng(0).standard_normal((20001, 2))
    soundfile.write(path, samples, FS, subtype="FLOAT")
    return path


@pytest.mark.parametrize("fs", [8000, 16000, 11025])
def test_blocks_are_the_file(stereo, fs):
    blocks = list(audio_blocks(stereo, fs, channel=1, seconds=0.3))
    whole, _ = read_audio(stereo, fs, channel=1)
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5)
    assert len(blocks) == 10 and max(map(len, blocks)) < 0.5 * fs


def test_mean_of_the_channels(stereo):
    both = soundfile.read(stereo, dtype="float32")[0]
    mono = np.concatenate(list(audio_blocks(stereo, FS)))
    np.testing.assert_allclose(mono, both.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("fs", [8000, 11025])
def test_several_channels_in_the_order_that_is_wanted(stereo, fs):
    blocks = list(channel_blocks(stereo, fs, [1, 0, 1], seconds=0.3))
    whole = [read_audio(stereo, fs, channel=channel)[0] for channel in (1, 0, 1)]
    np.testing.assert_allclose(np.concatenate(blocks), np.stack(whole, axis=1), atol=1e-5)
    assert [block.shape[1] for block in channel_blocks(stereo, fs)] == [2, 2]


def test_a_late_fault_is_found(tmp_path, stereo):
    samples = soundfile.read(stereo)[0]
    samples[-1] = np.nan
    soundfile.write(stereo, samples, FS, subtype="FLOAT")
    blocks = audio_blocks(stereo, FS, seconds=1.0)
    assert len(next(blocks)) > 0
    with pytest.raises(AudioError, match="stereo.wav: audio has samples that are not finite"):
        list(blocks)
