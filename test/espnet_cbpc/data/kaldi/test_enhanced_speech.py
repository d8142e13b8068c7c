"""Speech that another tool has enhanced, brought beside the tables of the noisy speech."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.kaldi.enhanced_speech import bring_enhanced
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_data_dir
from espnet_cbpc.utils.cli import UserError

FS = 8000
LENGTHS = {"a1": 4000, "a2": 5000, "b1": 3000}


@pytest.fixture
def folders(tmp_path):
    """A data directory of noisy speech, and a folder of enhanced speech that is its half."""
    enhanced, wavs = tmp_path / "enhanced", {}
    enhanced.mkdir()
    for seed, (utterance, count) in enumerate(LENGTHS.items()):
        noisy = np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)
        wavs[utterance] = str(tmp_path / f"{utterance}.wav")
        soundfile.write(wavs[utterance], noisy, FS, subtype="FLOAT")
        soundfile.write(enhanced / f"{utterance}.wav", noisy / 2, FS, subtype="FLOAT")
    tables = {"wav.scp": wavs, "utt2spk": {u: u[0] for u in wavs}, "text": dict.fromkeys(wavs, "x")}
    write_data_dir(tmp_path / "data", {**tables, "utt2snr": dict.fromkeys(wavs, "5")})
    return tmp_path / "data", enhanced, tmp_path / "out"


def read(out):
    return {u: soundfile.read(path)[0] for u, path in read_table(out / "spk1.scp").items()}


@pytest.mark.parametrize("share, gain", [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_it_is_a_data_directory_with_observation_adding(folders, share, gain):
    data, enhanced, out = folders
    bring_enhanced(enhanced, data, out, FS, share)
    brought = DataDir.read(out)
    assert list(brought.ids) == list(LENGTHS) and brought.tables["utt2snr"]["a1"] == "5"
    for utterance, samples in read(out).items():
        noisy, _ = soundfile.read(read_table(data / "wav.scp")[utterance])
        np.testing.assert_allclose(samples, gain * noisy, atol=1e-6)


def test_a_table_may_name_the_files_and_ends_are_fitted(folders):
    data, enhanced, out = folders
    moved = enhanced / "elsewhere.flac"
    samples, _ = soundfile.read(enhanced / "a1.wav")
    soundfile.write(moved, samples[:-100], FS)
    scp = {"a1": moved, "a2": enhanced / "a2.wav", "b1": enhanced / "b1.wav"}
    (enhanced / "spk1.scp").write_text("".join(f"{u} {path}\n" for u, path in scp.items()))
    bring_enhanced(enhanced, data, out, FS)
    found = read(out)["a1"]
    assert len(found) == 4000 and not found[-100:].any()
    np.testing.assert_allclose(found[:-100], samples[:-100], atol=1e-4)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda f: (f / "a2.wav").unlink(), "no enhanced speech of 1 of 3 utterances .a2."),
        (lambda f: soundfile.write(f / "a2.wav", np.ones(10000) / 2, 2 * FS), "16000 Hz, but the"),
        (lambda f: soundfile.write(f / "a2.wav", np.ones(4000) / 2, FS), "4000 samples, but"),
        (lambda f: soundfile.write(f / "a2.wav", np.ones((5000, 2)) / 2, FS), "2 channels"),
    ],
)
def test_what_does_not_fit_is_told(folders, spoil, message):
    data, enhanced, out = folders
    spoil(enhanced)
    with pytest.raises(UserError, match=message):
        bring_enhanced(enhanced, data, out, FS)
