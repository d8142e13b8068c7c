# SPDX-License-Identifier: Apache-2.0
"""Headers of audio files: what they tell, and what is refused."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import AudioError, read_header


@pytest.mark.parametrize("suffix, form", [("wav", "WAV"), ("flac", "FLAC"), ("wv1", "NIST")])
def test_length_and_rate(tmp_path, suffix, form):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros(123), 16000, format=form, subtype="PCM_16")
    assert read_header(path) == (123, 16000)


@pytest.mark.parametrize(
    "samples, cut, problem",
    [
        (np.zeros(500), 100, "audio file is truncated: replace it"),
        (np.zeros(500), 499 * 2 + 40, "not a readable audio file: replace it"),
        (
            np.zeros((9, 2)),
            0,
            "audio has 2 channels: extract one first (format_data_dir --channel)",
        ),
        (np.zeros(0), 0, "audio file has no samples: leave it out"),
    ],
)
def test_refused(tmp_path, samples, cut, problem):
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 8000, subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    with pytest.raises(AudioError) as refusal:
        read_header(path, mono=True)
    assert (refusal.value.problem, refusal.value.where) == (problem, str(path))


def test_no_such_file(tmp_path):
    with pytest.raises(AudioError, match="no such audio file: correct the path"):
        read_header(tmp_path / "no.wav")
