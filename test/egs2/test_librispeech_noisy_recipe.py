"""The librispeech_noisy recipe on a small tree of real digits and noises, with tiny models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import librispeech_tree  # noqa: E402

from espnet_cbpc.data.audio.audio_file import read_audio  # noqa: E402
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir  # noqa: E402

pytestmark = pytest.mark.slow
SMALL = "../../mini_synth/enh_asr_cbpc1/conf"  # configurations of small models
DATA = "--static_train true --allow_partial true --num_dev 6 --num_test 2 --test_snrs 0 10"
TINY = [
    *("--train_set", "train_noisy", "--local_data_opts", DATA, "--stop_stage", "16"),
    *("--dynamic_mixing_conf", ""),
    *("--nbpe", "24", "--speed_perturb_factors", "", "--baseline_configs", ""),
    *("--asr_config", f"{SMALL}/train_asr.yaml", "--enh_config", f"{SMALL}/train_enh.yaml"),
    *("--enh_asr_config", f"{SMALL}/train_enh_asr_cbpc.yaml"),
    *("--inference_config", f"{SMALL}/decode.yaml"),
    *("--tokenizer_conf", f"{SMALL}/tokenizer_kmeans.yaml"),
    *("--asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--train_nj", "2", "--inference_nj", "3"),
]


@pytest.fixture(scope="module")
def corpora(shared_data, tmp_path_factory):
    """LibriSpeech's layout with digits of FSDD at 16 kHz; Hu's noises are the folder of noise."""
    root = tmp_path_factory.mktemp("corpora")

    def speak(digits):
        files = [shared_data / "fsdd" / f"{digit}_jackson_{i}.wav" for i, digit in enumerate(digits)]
        return 0.9 * np.concatenate([read_audio(file, 16000)[0] for file in files])

    librispeech_tree.make_librispeech(root, speak, chapters=1)
    return {"LIBRISPEECH": str(root), "NOISE": str(shared_data / "nonspeech")}


def run(recipe, corpora):
    return subprocess.run(
        [str(recipe / "run.sh"), *TINY],
        env={**os.environ, **corpora},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def recipe(tree, corpora):
    """The recipe after one run of stages 1 to 16."""
    folder = tree / "egs2" / "librispeech_noisy" / "enh_asr_cbpc1"
    done = run(folder, corpora)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_joint_training_sees_noisy_and_clean_speech(recipe):
    categories = DataDir.read(recipe / "dump" / "raw" / "train_noisy").categories
    assert set(categories.values()) == {"SIMU", "CLEAN"} and len(categories) == 9
    log = (recipe / "exp" / "enh_asr_train_enh_asr_cbpc" / "train.log").read_text()
    results = next(line for line in log.splitlines() if "epoch results:" in line)
    for name in ("loss_asr", "loss_enh", "loss_cbpc", "loss_infonce", "num_simu", "num_clean"):
        assert f" {name}=" in results


def test_tokens_are_sentencepiece_units(recipe):
    tokens = (recipe / "exp" / "token_list_bpe24" / "tokens.txt").read_text().splitlines()
    assert len(tokens) == 24 and any(token.startswith("\u2581") for token in tokens)
    assert (recipe / "exp" / "token_list_bpe24" / "bpe.model").stat().st_size > 0


def test_results_by_snr_with_every_measure_of_quality(recipe):
    results = json.loads((recipe / "exp" / "results.json").read_text(encoding="utf-8"))
    assert results["sets"] == ["test_clean", "test_seen", "test_unseen"]
    assert set(results["quality"]) == {"test_seen", "test_unseen"}
    measures = {"PESQ_WB", "CSIG", "CBAK", "COVL", "STOI", "ESTOI", "SI_SDR"}
    measures |= {"SDR", "SEGSNR"}
    for quality in results["quality"].values():
        for scores in quality.values():
            assert set(scores["total"]) == measures
            assert list(scores["groups"]) == ["0", "10"]
    text = (recipe / "exp" / "RESULTS.md").read_text(encoding="utf-8")
    assert "| PESQ (wide band) | CSIG | CBAK | COVL | STOI |" in text


def test_running_again_does_nothing_but_the_report(recipe, corpora):
    again = run(recipe, corpora)
    assert again.returncode == 0, again.stdout[-3000:]
    assert "log:" not in again.stdout
    assert again.stdout.count("already done, skipped") == 19
