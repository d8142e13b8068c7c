# SPDX-License-Identifier: Apache-2.0
"""The command of delay and sum: a folder that inference takes, and what is refused."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.bin.delay_and_sum import main
from espnet_cbpc.data.array.delay_and_sum import DelayAndSum
from espnet_cbpc.data.kaldi.enhanced_speech import enhanced_files, read_enhanced
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_data_dir
from espnet_cbpc.utils.cli import UserError

FS = 8000


@pytest.fixture
def data(tmp_path):
    """A data directory: one recording in one file, and one with a file for each channel."""
    rng = np.random.default_rng(0)
    source = 0.1 * rng.standard_normal(FS + 4)
    heard = np.stack([source[4 - c : FS + 4 - c] for c in range(4)], axis=1)
    heard += 0.05 * rng.standard_normal(heard.shape)
    soundfile.write(tmp_path / "a.wav", heard, FS, subtype="FLOAT")
    for c in range(4):
        soundfile.write(tmp_path / f"b.CH{c}.wav", heard[:, c], FS, subtype="FLOAT")
    wavs = {"s-a": str(tmp_path / "a.wav")}
    wavs["s-b"] = " ".join(str(tmp_path / f"b.CH{c}.wav") for c in range(4))
    write_data_dir(tmp_path / "test", {"wav.scp": wavs, "utt2spk": dict.fromkeys(wavs, "s")})
    return tmp_path / "test", heard


def test_the_folder_is_enhanced_speech_of_the_set(tmp_path, data):
    folder, heard = data
    out = tmp_path / "beamformed"
    options = ["--output_dir", str(out), "--ref_channel", "1", "--nj", "1"]
    for _ in range(2):  # the second time in the place of the first
        main(["--data_dirs", str(folder), *options])
    found = enhanced_files(out / "test", DataDir.read(folder, require_text=False))
    expected = DelayAndSum(FS)(heard.astype(np.float32), 1)
    for path in found.values():
        np.testing.assert_allclose(read_enhanced(path, FS, FS), expected, atol=1e-6)
    assert found == {u: out / "test" / f"{u}.wav" for u in ("s-a", "s-b")}


def test_recordings_that_cannot_be_beamformed(tmp_path, data):
    folder, heard = data
    options = ["--data_dirs", str(folder), "--output_dir", str(tmp_path / "out"), "--nj", "1"]
    with pytest.raises(UserError, match="no reference channel 7 among 4"):
        main([*options, "--ref_channel", "7"])
    soundfile.write(tmp_path / "a.wav", heard[:, 0], FS)
    with pytest.raises(UserError, match=r"1 of 2 utterance\(s\): recording has one channel: beam"):
        main(options)
    assert not (tmp_path / "out" / "test").exists()
