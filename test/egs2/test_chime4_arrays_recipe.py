# SPDX-License-Identifier: Apache-2.0
"""CHiME-4's tracks of several channels through the stages: two to data, six to the report."""

import json
import re
import shutil
from pathlib import Path

import chime4_tree
import numpy as np
import pytest
import soundfile
import yaml
from recipe_runs import FEW_STEPS, run

from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.utils.files import read_yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "conf"
SMALL = {"blayers": 1, "bunits": 8, "bprojs": 8}
SETS = ("dt05_real", "dt05_simu", "et05_real", "et05_simu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small tree, in which a microphone of a real recording has failed."""
    tree = chime4_tree.tiny_tree(tmp_path_factory.mktemp("corpus"), 2, arrays=True)
    for path in tree.audio.glob("isolated_*ch_track/et05_bus_real/*.CH3.wav"):
        path.unlink()  # linked to what other tracks have
        length = soundfile.info(next(path.parent.glob("*.CH*.wav"))).frames
        soundfile.write(path, np.zeros(length), chime4_tree.FS)
    return {"CHIME4": f"{tree.root}/CHiME4", "CHIME4_DIFF": f"{tree.root}/CHiME4_diff"}


@pytest.fixture(scope="module")
def recipe(tree):
    """The recipe, with tiny models."""
    folder = tree / "egs2" / "chime4" / "enh_asr_cbpc1"
    for name in ("train_asr", "tokenizer_kmeans", "decode", "train_asr_multicondition"):
        (folder / "conf" / f"{name}.yaml").unlink()
        shutil.copy(TINY / f"{name}.yaml", folder / "conf")
    for name, bins in (("train_enh_mvdr", 10**6), ("train_enh_asr_cbpc_mvdr", 10**6)):
        path = folder / "conf" / f"{name}.yaml"
        config = yaml.safe_load(path.read_text())
        config.update(batch_bins=bins, num_workers=0)
        if "separator_conf" in config:
            config["separator_conf"].update(SMALL)
        path.unlink()
        path.write_text(yaml.safe_dump(config))
    return folder


def test_two_channels_are_formatted(recipe, corpus):
    done = run(recipe, "--track", "2ch", "--stop_stage", "4", "--nj", "1", **corpus)
    assert done.returncode == 0, done.stdout[-3000:]
    for name in ("tr05_multi", "dt05_multi", *SETS):
        data = DataDir.read(recipe / "dump_2ch" / "raw" / name)
        assert {len(columns(entry)) for entry in data.tables["wav.scp"].values()} == {2}
    assert not (recipe / "data").exists() and not (recipe / "exp").exists()


def test_a_track_that_is_none(recipe):
    done = run(recipe, "--track", "5ch")
    assert done.returncode == 1
    assert done.stdout.strip() == (
        "error: --track 5ch: no conf/track_5ch.yaml: choose from 1ch, 2ch, 6ch"
    )


@pytest.fixture(scope="module")
def trained(recipe, corpus):
    more = ["--stop_stage", "report", "--nj", "1", "--baseline_configs", "", *FEW_STEPS]
    more += ["--multicondition_asr_config", "conf/train_asr_multicondition.yaml"]
    done = run(recipe, "--track", "6ch", *more, **corpus)
    assert done.returncode == 0, done.stdout[-3000:]
    return recipe, done.stdout


@pytest.mark.slow
def test_failing_microphones_are_told_and_replaced(trained):
    recipe, said = trained
    assert "data_6ch/et05_real: 1 of 4 recordings have channels that fail (1 silent; F05" in said
    raw = recipe / "dump_6ch" / "raw" / "et05_real"
    ((key, value),) = read_table(raw / "utt2failing_channels").items()
    assert re.fullmatch(r"2:silent:0.00:[0134]", value)
    assert "CH3.wav" not in read_table(raw / "wav.scp")[key]


@pytest.mark.slow
def test_trainings_read_all_channels_or_the_reference(trained):
    recipe, _ = trained
    expected = {
        "enh_train_enh_mvdr": [
            "wav.scp,speech_mix,multi_columns_sound",
            "spk1.scp,speech_ref1,sound",
        ],
        "enh_asr_train_enh_asr_cbpc_mvdr": ["wav.scp,speech,multi_columns_sound"],
        "asr_train_asr_char": ["spk1.scp,speech,sound"],
        "asr_train_asr_multicondition_train_asr_char": ["noisy.scp,speech,sound"],
    }
    for name, sources in expected.items():
        config = read_yaml(recipe / "exp_6ch" / name / "config.yaml")
        read = config["train_data_path_and_name_and_type"]
        assert {",".join([Path(path).name, *rest]) for path, *rest in read} >= set(sources)


@pytest.mark.slow
def test_every_set_is_decoded_enhanced_and_scored(trained):
    recipe, _ = trained
    results = json.loads((recipe / "exp_6ch" / "results.json").read_text())
    assert set(results["sets"]) == set(SETS)
    assert len(results["systems"]) == 4
    joint = recipe / "exp_6ch" / "enh_asr_train_enh_asr_cbpc_mvdr"
    (enhanced,) = joint.glob("*/et05_simu/enhanced/spk1.scp")
    for path in read_table(enhanced).values():
        samples, _ = soundfile.read(recipe / path)
        assert samples.ndim == 1 and np.abs(samples).max() > 0
