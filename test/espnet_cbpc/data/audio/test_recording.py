# SPDX-License-Identifier: Apache-2.0
"""Recordings of several channels: in one file, and in a file for each."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.data.audio.columns import columns, sound_type
from espnet_cbpc.data.audio.recording import read_recording, read_recording_header

FS = 8000


@pytest.fixture
def three(tmp_path):
    """Three channels in ``all.wav``, and each in its file."""
    samples = np.random.default_rng(0).integers(-9000, 9000, (400, 3)) / 2**15
    soundfile.write(tmp_path / "all.wav", samples, FS)
    for channel in range(3):
        soundfile.write(tmp_path / f"CH{channel}.wav", samples[:, channel], FS)
    return samples


def entry(folder, *names):
    return " ".join(str(folder / name) for name in names)


@pytest.mark.parametrize(
    "text, files",
    [
        ("a.wav", ["a.wav"]),
        ("a.CH1.wav b.CH3.wav", ["a.CH1.wav", "b.CH3.wav"]),
        ("/x/a.FLAC\tb.wav  c.wv1", ["/x/a.FLAC", "b.wav", "c.wv1"]),
        ("/my corpus/a.wav", ["/my corpus/a.wav"]),
        ("take 1.wav", ["take 1.wav"]),
    ],
)
def test_columns_are_names_of_audio_files(text, files):
    assert columns(text) == files
    assert sound_type({"a": "a.wav", "b": text}) == (
        "multi_columns_sound" if len(files) > 1 else "sound"
    )


def test_one_file_and_columns_are_the_same_recording(tmp_path, three):
    for text in (entry(tmp_path, "all.wav"), entry(tmp_path, "CH0.wav", "CH1.wav", "CH2.wav")):
        samples, fs = read_recording(text)
        assert fs == FS and samples.dtype == np.float32
        np.testing.assert_array_equal(samples, three.astype(np.float32))
        np.testing.assert_array_equal(read_recording(text, channel=2)[0], samples[:, 2])
        assert read_recording(text, 2 * FS)[0].shape == (800, 3)
        assert read_recording_header(text) == (400, FS, 3)
    samples, _ = read_recording(entry(tmp_path, "CH1.wav"))
    np.testing.assert_array_equal(samples, three[:, 1].astype(np.float32))
    assert read_recording_header(entry(tmp_path, "CH1.wav")) == (400, FS, 1)


def test_a_file_may_come_twice(tmp_path, three):
    samples, _ = read_recording(entry(tmp_path, "CH1.wav", "CH0.wav", "CH1.wav"))
    np.testing.assert_array_equal(samples, three[:, [1, 0, 1]].astype(np.float32))


@pytest.mark.parametrize("read", [read_recording, read_recording_header])
@pytest.mark.parametrize(
    "name, shape, rate, problem",
    [
        ("CH1.wav", (399,), FS, r"CH0.wav 400, .*CH1.wav 399, .*: channels differ in length"),
        ("CH1.wav", (400,), 16000, r"CH0.wav 8000, .*16000, .*\(Hz\): channels differ in sampl"),
        ("CH1.wav", (400, 2), FS, "CH1.wav: audio has 2 channels"),
        ("CH1.wav", None, FS, "CH1.wav: no such audio file"),
    ],
)
def test_columns_that_do_not_go_together(tmp_path, three, read, name, shape, rate, problem):
    (tmp_path / name).unlink()
    if shape:
        soundfile.write(tmp_path / name, np.zeros(shape), rate)
    with pytest.raises(AudioError, match=problem):
        read(entry(tmp_path, "CH0.wav", "CH1.wav", "CH2.wav"))


def test_no_such_channel(tmp_path, three):
    for text in (entry(tmp_path, "all.wav"), entry(tmp_path, "CH0.wav", "CH1.wav", "CH2.wav")):
        with pytest.raises(AudioError, match="audio has no channel 3 but 3 from 0 on"):
            read_recording(text, channel=3)
