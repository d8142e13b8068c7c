# SPDX-License-Identifier: Apache-2.0
"""The shared stages on a training set of clean speech alone, mixed with noise on the fly."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_data_dir, write_table
from espnet_cbpc.data.mixing.snr import mix_at_snr

ROOT = Path(__file__).resolve().parents[2]
FS = 8000
WORDS = "zero one two three four five six seven eight nine".split()
OPTIONS = [
    *("--train_set", "train", "--valid_set", "dev", "--test_sets", "test", "--fs", "8k"),
    *("--token_type", "word", "--nj", "1", "--train_nj", "2", "--ngpu", "0"),
    *("--asr_args", "--max_epoch 1 --num_iters_per_epoch 1"),
    *("--enh_args", "--max_epoch 1 --num_iters_per_epoch 1 --num_workers 1"),
    *("--enh_asr_args", "--max_epoch 1 --num_iters_per_epoch 2 --num_workers 1"),
    *("--dynamic_mixing_conf", "conf/dynamic_mixing.yaml"),
]
pytestmark = pytest.mark.slow


def run(recipe, *options):
    command = ["./enh_asr_cbpc.sh", *OPTIONS, *options]
    return subprocess.run(
        command, cwd=recipe, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def clean_only(folder, fsdd):
    """Write ``folder``: recordings of two speakers as they are, and nothing noisy."""
    found = (f for s in ("george", "jackson") for f in sorted(fsdd.rglob(f"*_{s}_[0-2].wav")))
    files = {f.stem: f for f in found}
    assert len(files) == 60
    ids = {f"{name.split('_')[1]}-{name}": name for name in files}
    tables = {
        "wav.scp": {utt: str(files[name]) for utt, name in ids.items()},
        "text": {utt: WORDS[int(name[0])] for utt, name in ids.items()},
        "utt2spk": {utt: name.split("_")[1] for utt, name in ids.items()},
        "utt2category": dict.fromkeys(ids, "CLEAN"),
    }
    write_data_dir(folder, tables)
    return tables


def mixed_beforehand(folder, clean, noise):
    """Write ``folder``: ten of the utterances with noise at 5 dB, fixed for all trainings."""
    rng = np.random.default_rng(0)
    tables = {name: {} for name in ("wav.scp", "spk1.scp", "text", "utt2spk", "utt2category")}
    for utt in list(clean["text"])[::6]:
        speech, _ = read_audio(clean["wav.scp"][utt])
        signals = mix_at_snr(speech, np.roll(noise, rng.integers(len(noise))), 5.0, FS)
        for name, signal in zip(("wav.scp", "spk1.scp"), signals):
            tables[name][utt] = str(folder.parent / "audio" / folder.name / f"{utt}_{name[:3]}.wav")
            write_audio(tables[name][utt], signal, FS)
        tables["text"][utt], tables["utt2spk"][utt] = clean["text"][utt], clean["utt2spk"][utt]
        tables["utt2category"][utt] = "SIMU"
    write_data_dir(folder, tables)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, shared_data, give_environment):
    """A recipe folder with data, after stages 2 to 13."""
    root = tmp_path_factory.mktemp("tree")
    folder = root / "egs2" / "clean_only" / "enh_asr_cbpc1"
    shutil.copytree(ROOT / "egs2" / "TEMPLATE", root / "egs2" / "TEMPLATE")
    shutil.copytree(ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "conf", folder / "conf")
    give_environment(root)
    for name in ("enh_asr_cbpc.sh", "path.sh", "cmd.sh"):
        (folder / name).symlink_to(f"../../TEMPLATE/enh_asr_cbpc1/{name}")

    noises = sorted((shared_data / "nonspeech").glob("n*.wav"))[:10]
    write_table(folder / "data" / "noise_train.scp", {f.stem: str(f) for f in noises})
    clean = clean_only(folder / "data" / "train", shared_data / "fsdd")
    for name in ("dev", "test"):
        mixed_beforehand(folder / "data" / name, clean, read_audio(noises[0], FS)[0])
    shutil.copy(ROOT / "conf" / "dynamic_mixing.yaml", folder / "conf")
    config = folder / "conf" / "tokenizer_kmeans.yaml"
    config.write_text(config.read_text().replace("n_clusters: 50", "n_clusters: 10"))

    done = run(folder, "--stage", "2", "--stop_stage", "13")
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_both_trainings_have_all_clean_utterances_and_mix_them(recipe):
    ids = read_table(recipe / "data" / "train" / "text").keys()
    for exp, stats in (
        ("enh_stats_train_enh", "speech_mix"),
        ("enh_asr_stats_train_asr_word", "speech"),
    ):
        shapes = read_table(recipe / "exp" / exp / "train" / f"{stats}_shape")
        assert shapes.keys() == ids
    for exp in ("enh_train_enh", "enh_asr_train_enh_asr_cbpc"):
        config = yaml.safe_load((recipe / "exp" / exp / "config.yaml").read_text())
        mixing = config["dynamic_mixing_conf"]
        assert mixing["fs"] == FS and mixing["noise_scp"] == "data/noise_train.scp"


def test_the_clean_utterances_become_simulated_ones_in_joint_training(recipe):
    log = (recipe / "exp" / "enh_asr_train_enh_asr_cbpc" / "train.log").read_text()
    train, valid = re.search(r"epoch results: \[train\](.*)\[valid\](.*)", log).groups()
    mean = {
        (part, name): float(re.search(rf" {name}=([-\d.]+)", text)[1])
        for part, text in (("train", train), ("valid", valid))
        for name in ("num_simu", "num_real", "num_clean", "loss_enh", "loss_cbpc", "loss_infonce")
    }
    assert mean["train", "num_simu"] > 4 * mean["train", "num_clean"]
    assert mean["train", "num_real"] == mean["valid", "num_clean"] == 0
    assert np.isfinite(list(mean.values())).all()


def test_other_mixing_trains_again_and_a_mistake_in_it_is_named(recipe):
    config = recipe / "conf" / "dynamic_mixing.yaml"
    before = config.read_text()
    config.write_text(before + "\nloudness: 3\n")
    try:
        done = run(recipe, "--stage", "13", "--stop_stage", "13")
    finally:
        config.write_text(before)
    assert done.returncode != 0
    assert "exp/enh_asr_train_enh_asr_cbpc moves to exp/replaced/" in done.stdout
    assert "error: dynamic_mixing_conf: unknown option(s) loudness: use noise_scp" in done.stdout
