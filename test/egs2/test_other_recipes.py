# SPDX-License-Identifier: Apache-2.0
"""Recipes on small trees of the true shape: stages 1 to 4, and a batch of joint training.

The stages that follow are the same for all recipes: see test_mini_synth_recipe.py.
"""

import re

import chime4_tree
import librispeech_tree
import numpy as np
import pytest
import soundfile
import vctk_tree
from owsm_models import random_owsm
from recipe_runs import run
from whisper_models import random_whisper

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table

CORPORA_OF_ARCTIC = ("KATHLEEN", "ORDERS", "LJSPEECH", "NONSPEECH")
FORMATTED = ("--stop_stage", "4", "--nj", "1")


@pytest.fixture(scope="module")
def chime4(tree, tmp_path_factory):
    corpus = chime4_tree.tiny_tree(tmp_path_factory.mktemp("corpus"))
    folder = tree / "egs2" / "chime4" / "enh_asr_cbpc1"
    named = {"CHIME4": f"{corpus.root}/CHiME4", "CHIME4_DIFF": f"{corpus.root}/CHiME4_diff"}
    done = run(folder, *FORMATTED, "--local_data_opts", "--channels 5", **named)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_chime4_trains_on_all_kinds_of_speech(chime4, joint_batch):
    train = DataDir.read(chime4 / "dump" / "raw" / "tr05_multi")
    assert set(train.categories.values()) == {"SIMU", "REAL", "CLEAN"}
    clean = read_table(chime4 / "dump" / "raw" / "tr05_multi" / "clean.scp")
    assert clean.keys() == {key for key, kind in train.categories.items() if kind != "REAL"}
    stats = joint_batch(chime4, "tr05_multi", 16000)
    assert min(stats[f"num_{kind}"] for kind in ("simu", "real", "clean")) >= 1
    for name in ("loss_asr", "loss_enh", "loss_cbpc", "loss_infonce"):
        assert np.isfinite(stats[name])


def test_chime4_tests_each_environment(chime4):
    for name in ("dt05_real", "dt05_simu", "et05_real", "et05_simu"):
        environments = read_table(chime4 / "dump" / "raw" / name / "utt2env")
        assert set(environments.values()) == {"BUS", "CAF", "PED", "STR"}


@pytest.fixture(scope="module")
def librispeech(tree, shared_data, tmp_path_factory):
    """LibriSpeech's layout with digits of FSDD at 16 kHz; Hu's noises are the folder of noise."""
    root = tmp_path_factory.mktemp("corpora")

    def speak(digits):
        files = [
            shared_data / "fsdd" / f"{digit}_jackson_{i}.wav" for i, digit in enumerate(digits)
        ]
        return 0.9 * np.concatenate([read_audio(file, 16000)[0] for file in files])

    librispeech_tree.make_librispeech(root, speak, chapters=1)
    folder = tree / "egs2" / "librispeech_noisy" / "enh_asr_cbpc1"
    data = "--static_train true --allow_partial true --num_dev 6 --num_test 2 --test_snrs 0 10"
    done = run(
        folder,
        *FORMATTED,
        *("--train_set", "train_noisy", "--local_data_opts", data),
        *("--dynamic_mixing_conf", "", "--speed_perturb_factors", ""),
        LIBRISPEECH=str(root),
        NOISE=str(shared_data / "nonspeech"),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_librispeech_trains_on_noisy_and_clean_speech(librispeech, joint_batch):
    categories = DataDir.read(librispeech / "dump" / "raw" / "train_noisy").categories
    assert set(categories.values()) == {"SIMU", "CLEAN"} and len(categories) == 9
    stats = joint_batch(librispeech, "train_noisy", 16000)
    assert stats["num_simu"] >= 1 and stats["num_clean"] >= 1 and np.isfinite(stats["loss_enh"])


def test_librispeech_tests_by_snr(librispeech):
    for name in ("test_seen", "test_unseen"):
        snrs = read_table(librispeech / "dump" / "raw" / name / "utt2snr")
        assert set(snrs.values()) == {"0", "10"}


@pytest.fixture(scope="module")
def vctk(tree, shared_data, tmp_path_factory):
    """VoiceBank + DEMAND's layout with digits of FSDD at 48 kHz."""
    corpus = tmp_path_factory.mktemp("vctk") / "corpus"
    words = "Zero One Two Three Four Five Six Seven Eight Nine".split()

    def speak(number):
        path = shared_data / "fsdd" / f"{number % 10}_george_{number // 10}.wav"
        return 0.5 * read_audio(path, 48000)[0], f"{words[number % 10]}."

    vctk_tree.make_vctk_noisy(corpus, speak, utterances=6)
    folder = tree / "egs2" / "vctk_noisy" / "enh_asr_cbpc1"
    data = "--allow_partial true --dev_speakers p287"
    options = ("--local_data_opts", data, "--min_wav_duration", "0")
    done = run(folder, *FORMATTED, *options, VCTK_NOISY=str(corpus))
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_vctk_trains_on_16_khz(vctk, joint_batch):
    train = DataDir.read(vctk / "dump" / "raw" / "train")
    assert len(train.ids) == 12 and set(train.categories.values()) == {"SIMU"}
    for name in ("wav.scp", "spk1.scp"):
        paths = train.tables[name].values()
        assert {soundfile.info(vctk / path).samplerate for path in paths} == {16000}
    stats = joint_batch(vctk, "train", 16000)
    assert stats["num_simu"] == 4 and np.isfinite(stats["loss_cbpc"])


def test_vctk_tests_as_the_benchmark_asks_for(vctk):
    snrs = read_table(vctk / "dump" / "raw" / "test" / "utt2snr")
    assert set(snrs.values()) == {"2.5", "7.5", "12.5", "17.5"} and len(snrs) == 12


def run_arctic(folder, corpora, *options):
    """Run the recipe on its shortest sentences, with few steps and clusters."""
    few = "--max_epoch 1 --num_iters_per_epoch 1"
    config = folder / "conf" / "tokenizer_kmeans.yaml"
    config.write_text(config.read_text().replace("n_clusters: 200", "n_clusters: 10"))
    config = folder / "conf" / "train_enh_for_frozen_asr.yaml"
    config.write_text(config.read_text().replace("[2, null]", "[1, null]"))  # it is small
    done = run(
        folder,
        *("--local_data_opts", "--num_dev 30 --num_test 1", "--max_wav_duration", "1.8"),
        *("--enh_args", few, "--enh_asr_args", few, "--nj", "1", "--inference_nj", "1"),
        *("--ngpu", "0", "--quality_sets", "none"),
        *options,
        **{name: str(corpora / name.lower()) for name in CORPORA_OF_ARCTIC},
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_arctic_adapts_se_to_a_brought_whisper(tree, shared_data, tmp_path):
    """Up to joint training; dev_newspk has no text."""
    random_whisper(tmp_path / "whisper.pt")
    folder = tree / "egs2" / "arctic_noisy" / "enh_asr_cbpc1"
    run_arctic(
        folder,
        shared_data,
        *("--asr_model", str(tmp_path / "whisper.pt"), "--test_sets", "dev dev_newspk"),
        *("--stop_stage", "joint", "--own_transcripts", "true"),
        *("--comparison", "conf/comparison.yaml"),
        *("--systems", "self_distillation cbpc_infonce"),
    )
    train = DataDir.read(folder / "dump" / "raw" / "train", require_text=False)
    assert set(train.categories.values()) == {"CLEAN"} and "text" not in train.tables
    for name, losses in (("self_distillation", ["sd"]), ("cbpc_infonce", ["cbpc", "infonce"])):
        (log,) = folder.glob(f"exp/enh_asr_{name}_frozen_asr_no_transcripts/train.log")
        said = log.read_text()
        assert ("text_spk1: {" in said) == (name == "self_distillation")
        results = re.search(r"epoch results: \[train\](.*)\[valid\]", said)[1]
        means = dict(re.findall(r"(\w+)=([-\d.e+]+)", results))
        assert float(means["num_simu"]) > float(means["num_clean"])  # mixed in training
        assert np.isfinite([float(means[f"loss_{loss}"]) for loss in ("enh", *losses)]).all()
        assert "loss_asr" not in means


@pytest.mark.slow
def test_arctic_runs_whole_with_owsm(tree, shared_data, tmp_path):
    """From data to the report and packed models, with texts chosen by OWSM itself."""
    folder = tree / "egs2" / "arctic_noisy" / "enh_asr_cbpc1"
    decoding = tmp_path / "decode.yaml"
    decoding.write_text("beam_size: 1\nctc_weight: 0.0\nmaxlenratio: 0.1\n")
    run_arctic(
        folder,
        shared_data,
        *("--asr_model", str(random_owsm(tmp_path / "owsm")), "--test_sets", "dev"),
        *("--inference_config", str(decoding), "--observation_adding", "auto"),
        *("--observation_adding_to", "joint", "--expdir", "exp_owsm"),
    )
    report = (folder / "exp_owsm" / "RESULTS.md").read_text()
    rows = re.findall(r"\| SE for frozen .*CBPC and infoNCE(.*?) \|.* \d+\.\d", report)
    assert len(set(rows)) == 2 and any("observation adding" in row for row in rows)
    assert list((folder / "exp_owsm").glob("**/*.zip"))
