# SPDX-License-Identifier: Apache-2.0
"""Parts of recordings: the right samples of any file, and no more read than needed."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.data.mixing.random_part import random_part

FS = 8000


def ramp(path, length, fs=FS, channels=1, **options):
    """A file whose samples tell where they are: n / 2^20, negative in the second channel."""
    samples = np.arange(length)[:, None] / 2**20 * np.array([1, -1])[:channels]
    soundfile.write(path, samples, fs, "FLOAT" if path.suffix == ".wav" else None, **options)
    return path


def parts(path, length, count, fs=FS):
    rngs = (np.random.default_rng(seed) for seed in range(count))
    return [random_part(path, length, fs, rng) for rng in rngs]


def test_parts_are_consecutive_samples_from_all_over_the_file(tmp_path):
    path = ramp(tmp_path / "long.wav", 10_000)
    starts = []
    for part in parts(path, 1000, 200):
        assert part.shape == (1000,) and part.dtype == np.float32
        starts.append(round(float(part[0]) * 2**20))
        np.testing.assert_array_equal(part, (starts[-1] + np.arange(1000)) / 2**20)
    assert min(starts) < 600 and max(starts) > 8400 and len(set(starts)) > 150


def test_short_recordings_are_repeated_from_a_random_place_on(tmp_path):
    path = ramp(tmp_path / "short.wav", 300)
    starts = set()
    for part in parts(path, 1000, 20):
        places = np.round(part * 2**20).astype(int)
        starts.add(places[0])
        np.testing.assert_array_equal(places, (places[0] + np.arange(1000)) % 300)
    assert len(starts) > 10


def test_a_file_of_just_the_length_is_taken_whole(tmp_path):
    (part,) = parts(ramp(tmp_path / "a.wav", 1000), 1000, 1)
    np.testing.assert_array_equal(part, np.arange(1000) / 2**20)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("rate", [16000, 44100, 4000])
def test_other_rates_are_resampled(tmp_path, rate, suffix):
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(4 * rate) / rate)
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, tone, rate)
    for part in parts(path, 4000, 3):
        assert part.shape == (4000,)
        spectrum = np.abs(np.fft.rfft(part * np.hanning(4000)))
        assert spectrum.argmax() == 250  # 500 Hz
        assert np.sqrt(np.mean(part[200:-200] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_each_channel_is_drawn(tmp_path):
    path = ramp(tmp_path / "stereo.wav", 2000, channels=2)
    signs = {np.sign(part.sum()) for part in parts(path, 1000, 20)}
    assert signs == {1, -1}


def test_only_what_is_needed_is_read(tmp_path, monkeypatch):
    path = ramp(tmp_path / "long.wav", 100_000)
    asked = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda self, frames=-1, **kw: asked.append(frames) or read(self, frames, **kw),
    )
    random_part(path, 1000, FS, np.random.default_rng(0))
    random_part(path, 1000, FS // 2, np.random.default_rng(0))
    assert asked == [1000, 2000]


def test_faulty_files_are_named(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), FS)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), FS, "FLOAT")
    whole = ramp(tmp_path / "whole.flac", 50_000).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    for name, message in {
        "gone.wav": "no such audio file",
        "text.wav": "not a readable audio file",
        "empty.wav": "has no samples",
        "nan.wav": "not finite",
        "cut.flac": "(truncated|not a readable audio file)",
    }.items():
        with pytest.raises(AudioError, match=f"{name}: .*{message}"):
            random_part(tmp_path / name, 50_000, FS, rng)
