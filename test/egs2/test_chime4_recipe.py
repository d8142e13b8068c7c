"""The chime4 recipe on a small tree with tiny models: stages 1 to 16, and again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chime4_tree  # noqa: E402

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table  # noqa: E402

SETS = ["dt05_real", "dt05_simu", "et05_real", "et05_simu"]
SMALL = "../../mini_synth/enh_asr_cbpc1/conf"  # configurations of small models
TINY = [
    *("--local_data_opts", "--channels 5", "--stop_stage", "16"),
    *("--asr_config", f"{SMALL}/train_asr.yaml", "--enh_config", f"{SMALL}/train_enh.yaml"),
    *("--enh_asr_config", f"{SMALL}/train_enh_asr_cbpc.yaml", "--baseline_configs", ""),
    *("--tokenizer_conf", f"{SMALL}/tokenizer_kmeans.yaml"),
    *("--inference_config", f"{SMALL}/decode.yaml"),
    *("--asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--nj", "1", "--train_nj", "2", "--inference_nj", "3"),
]


def run(recipe, corpus, *options):
    return subprocess.run(
        [str(recipe / "run.sh"), *TINY, *options],
        env={
            **os.environ,
            "CHIME4": str(corpus.root / "CHiME4"),
            "CHIME4_DIFF": str(corpus.root / "CHiME4_diff"),
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return chime4_tree.tiny_tree(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def recipe(tree, corpus):
    """The recipe after one run of stages 1 to 16."""
    folder = tree / "egs2" / "chime4" / "enh_asr_cbpc1"
    done = run(folder, corpus)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


@pytest.mark.slow
def test_all_kinds_of_speech_reach_the_joint_training(recipe):
    train = DataDir.read(recipe / "dump" / "raw" / "tr05_multi")
    assert set(train.categories.values()) == {"SIMU", "REAL", "CLEAN"}
    clean = read_table(recipe / "dump" / "raw" / "tr05_multi" / "clean.scp")
    assert clean.keys() == {key for key, kind in train.categories.items() if kind != "REAL"}
    log = (recipe / "exp" / "enh_asr_train_enh_asr_cbpc" / "train.log").read_text()
    results = next(line for line in log.splitlines() if "epoch results:" in line)
    for name in ("loss_asr", "loss_enh", "loss_cbpc", "loss_infonce", "num_real", "num_clean"):
        assert f" {name}=" in results


@pytest.mark.slow
def test_report_has_every_set_and_environment(recipe):
    results = json.loads((recipe / "exp" / "results.json").read_text(encoding="utf-8"))
    assert results["sets"] == SETS and results["breakdown"] == "utt2env"
    for errors in results["wer"].values():
        for name in SETS:
            groups = errors[name]["groups"]
            assert list(groups) == ["BUS", "CAF", "PED", "STR"]
            words = sum(group["words"] for group in groups.values())
            assert words == errors[name]["total"]["words"]
    assert set(results["quality"]) == {"dt05_simu", "et05_simu"}  # real recordings: no reference
    text = (recipe / "exp" / "RESULTS.md").read_text(encoding="utf-8")
    assert "### et05_real: WER (%) by env" in text and "| BUS |" in text


@pytest.mark.slow
def test_second_run_does_nothing_but_the_report(recipe, corpus):
    first = recipe / "data" / "tr05_multi" / "wav.scp"
    made = first.stat().st_mtime_ns
    again = run(recipe, corpus)
    assert again.returncode == 0, again.stdout[-3000:]
    assert again.stdout.count("already done, skipped") == 19 and "log:" not in again.stdout
    assert first.stat().st_mtime_ns == made
