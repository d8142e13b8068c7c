# SPDX-License-Identifier: Apache-2.0
"""A tokenizer from an ASR model and tables of speech, in one call."""

import json

import pytest
import soundfile
import tiny_models as tiny

from espnet_cbpc.bin import tokenize_speech
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import MODULES


@pytest.fixture
def words(tmp_path):
    """The options of a call, without its model."""
    wavs = {}
    for number in range(4):
        wavs[f"u{number}"] = str(tmp_path / f"u{number}.wav")
        soundfile.write(wavs[f"u{number}"], tiny.speech(tiny.FS, number), tiny.FS)
    write_table(tmp_path / "wav.scp", wavs)
    (tmp_path / "tokenizer.yaml").write_text("n_clusters: 4\n")
    scp = str(tmp_path / "wav.scp")
    return [
        *("--train_scp", scp, "--valid_clean_scp", scp, "--valid_noisy_scp", scp),
        *("--config", str(tmp_path / "tokenizer.yaml"), "--cachedir", str(tmp_path / "cache")),
        *("--output_dir", str(tmp_path / "out")),
    ]


def test_it_fits_and_reports(words, tmp_path):
    from espnet2.tasks.asr import ASRTask

    tiny.save_model(tmp_path, "asr", ASRTask, tiny.asr_options(tiny.CONFORMER, 1.0))
    tokenize_speech.main(
        ["--asr_model", f"{tmp_path}/asr.yaml,{tmp_path}/asr.pth", *words, "--fs", "8k"]
    )
    out = tmp_path / "out"
    assert KMeansTokenizer.load(out / "tokenizer.safetensors").n_clusters == 4
    labels = read_table(out / "labels_clean")
    assert sorted(labels) == ["u0", "u1", "u2", "u3"]
    assert {*" ".join(labels.values()).split()} <= {"0", "1", "2", "3"}
    quality = json.loads((out / "quality.json").read_text())
    assert quality["noise_stability"] == 1.0  # the noisy speech is the clean speech
    assert (out / "quality.png").is_file() and (out / "features").is_dir()


def test_what_is_missing_is_told_before_the_model_is_sought(words, monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("no_such",))
    with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[train\]'"):
        tokenize_speech.main(["--asr_model", "./nowhere", *words])


def test_a_model_that_is_not_there_is_told(words, tmp_path):
    with pytest.raises(UserError, match="^./nowhere: no such file or folder: give a folder"):
        tokenize_speech.main(["--asr_model", "./nowhere", *words])
    assert not (tmp_path / "out").exists()
