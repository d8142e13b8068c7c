# SPDX-License-Identifier: Apache-2.0
"""Speech that another tool has enhanced, found and fitted to the noisy speech."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.kaldi.enhanced_speech import enhanced_files, read_enhanced
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_data_dir
from espnet_cbpc.utils.cli import UserError

FS = 8000


@pytest.fixture
def data(tmp_path):
    wavs = {f"a{i}": str(tmp_path / f"a{i}.wav") for i in range(3)}
    write_data_dir(tmp_path / "data", {"wav.scp": wavs, "utt2spk": dict.fromkeys(wavs, "a")})
    return DataDir.read(tmp_path / "data", require_text=False)


def test_files_are_named_after_utterances_or_by_a_table(data, tmp_path):
    folder = tmp_path / "enhanced"
    folder.mkdir()
    for name in ("a0.wav", "a1.flac", "a2.wav", "other.wav"):
        (folder / name).touch()
    assert [path.name for path in enhanced_files(folder, data).values()] == [
        "a0.wav",
        "a1.flac",
        "a2.wav",
    ]
    (folder / "wav.scp").write_text("a0 x.wav\na1 y.wav\na2 z.wav\na3 more.wav\n")
    assert [str(path) for path in enhanced_files(folder, data).values()] == [
        "x.wav",
        "y.wav",
        "z.wav",
    ]
    # what our inference has enhanced, with its text beside it
    results = tmp_path / "results"
    results.mkdir()
    (results / "text").touch()
    folder.rename(results / "enhanced")
    assert [str(path) for path in enhanced_files(results, data).values()] == [
        "x.wav",
        "y.wav",
        "z.wav",
    ]


def test_what_is_missing_is_told(data, tmp_path):
    with pytest.raises(UserError, match="no such folder of enhanced speech"):
        enhanced_files(tmp_path / "nowhere", data)
    (tmp_path / "a1.wav").touch()
    with pytest.raises(UserError, match=r"no enhanced speech of 2 of 3 utterances \(a0, a2\)"):
        enhanced_files(tmp_path, data)


@pytest.mark.parametrize("count", [950, 1000, 1300])
def test_ends_are_fitted(tmp_path, count):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, count).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, FS, subtype="FLOAT")
    found = read_enhanced(tmp_path / "a.wav", 1000, FS)
    kept = min(count, 1000)
    assert found.shape == (1000,) and found.dtype == np.float32
    assert np.array_equal(found[:kept], samples[:kept]) and not found[kept:].any()


def test_what_does_not_fit_is_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(4000, 0.1), 2 * FS)
    with pytest.raises(
        UserError, match="16000 Hz, but the data have 8000 Hz: resample the enhanced speech first"
    ):
        read_enhanced(tmp_path / "a.wav", 4000, FS)
    with pytest.raises(UserError, match="4000 samples, but the noisy speech has 6000"):
        read_enhanced(tmp_path / "a.wav", 6000, 2 * FS)
