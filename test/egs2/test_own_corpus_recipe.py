# SPDX-License-Identifier: Apache-2.0
"""A new recipe on folders of real digits and real noises: its data, again, misused."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from recipe_runs import run

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.recipe.new_recipe import make_recipe

ROOT = Path(__file__).resolve().parents[2]
SETS = ["train", "dev", "test_clean", "test_seen", "test_unseen"]
WORDS = "zero one two three four five six seven eight nine".split()
DATA = "--num_dev 6 --num_test 2 --test_snrs 0 10 --test_speakers theo"
TINY = [
    *("--fs", "8k", "--token_type", "word", "--local_data_opts", DATA, "--nj", "1"),
    *("--test_sets", "test_clean test_unseen", "--stop_stage", "4"),
]


@pytest.fixture(scope="module")
def corpus(shared_data, tmp_path_factory):
    """Folders as a user may have them: a folder for each speaker, one table of transcripts."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for speaker in ("george", "jackson", "lucas", "nicolas", "theo"):
        (folder / "speech" / speaker).mkdir(parents=True)
        for digit in range(10):
            name = f"{digit}_{speaker}_0"
            recording = shared_data / "fsdd" / f"{name}.wav"
            (folder / "speech" / speaker / recording.name).symlink_to(recording)
            lines.append(f"{name} {WORDS[digit]}\n")
    (folder / "speech" / "text").write_text("".join(lines))
    (folder / "noise").mkdir()
    for number in range(1, 9):
        noise = shared_data / "nonspeech" / f"n{number}.wav"
        (folder / "noise" / noise.name).symlink_to(noise)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A new recipe outside of the repository, with tiny models."""
    recipe = make_recipe(tmp_path_factory.mktemp("recipes") / "mycorpus")
    tiny = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "conf"
    shutil.copytree(tiny, recipe / "conf", dirs_exist_ok=True)
    return recipe


@pytest.fixture(scope="module")
def recipe(made, corpus):
    """The recipe after stages 1 to 4."""
    done = run(made, *TINY, SPEECH=f"{corpus}/speech", NOISE=f"{corpus}/noise")
    assert done.returncode == 0, done.stdout[-3000:]
    return made


def test_the_sets_are_those_of_the_folders(recipe, corpus):
    data = {name: DataDir.read(recipe / "data" / name) for name in SETS}
    made = {path.name for path in (recipe / "data").iterdir()}
    assert made == {*SETS, "audio", "manifests", ".steps"}
    assert [len(data[name].ids) for name in SETS] == [30, 6, 2, 4, 4]
    speakers = {name: set(data[name].tables["utt2spk"].values()) for name in SETS}
    assert speakers["test_clean"] == {"theo"} and len(speakers["train"]) == 3
    assert len(speakers["train"] | speakers["dev"]) == 4
    assert Counter(data["train"].tables["text"].values()) == Counter(WORDS * 3)


def test_running_again_prepares_nothing_again(recipe, corpus):
    before = (recipe / "data" / "train" / "wav.scp").stat().st_mtime_ns
    again = run(recipe, *TINY, SPEECH=f"{corpus}/speech", NOISE=f"{corpus}/noise")
    assert again.returncode == 0 and "all done already" in again.stdout
    assert (recipe / "data" / "train" / "wav.scp").stat().st_mtime_ns == before


def test_a_joint_batch_of_it(recipe, joint_batch):
    stats = joint_batch(recipe, "train", 8000)
    assert stats["num_simu"] == 4 and stats["loss_cbpc"] > 0


def test_folders_that_are_not_named_stop_stage_1(recipe):
    done = subprocess.run(
        [recipe / "local" / "data.sh", "--fs", "8000"],
        cwd=recipe,
        env={k: v for k, v in os.environ.items() if k not in ("SPEECH", "NOISE")},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: no folder given for clean speech: set its variable in db.sh, or its option"
    )
