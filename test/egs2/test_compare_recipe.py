# SPDX-License-Identifier: Apache-2.0
"""compare.sh on mini_synth with tiny data and models: every kind of system, two seeds, one report."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from recipe_runs import FEW_STEPS

ROOT = Path(__file__).parents[2]
SYSTEMS = {
    "systems": {
        "joint_fm": {
            "title": "Joint, feature matching",
            "config": "conf/train_enh_asr_cbpc.yaml",
            "changes": {"contrastive_criterions": [{"name": "feature_matching", "weight": 0.5}]},
        },
        "frozen": {
            "title": "Frozen ASR, no transcripts",
            "config": "conf/train_enh_for_frozen_asr.yaml",
            "tokenizer": {"n_clusters": 8},
        },
    }
}
OPTIONS = [
    *("--comparison", "conf/tiny.yaml", "--seeds", "1 2"),
    *("--test_sets", "test_clean test_unseen", "--nj", "1"),
    *("--local_data_opts", "--num_train 40 --num_dev 8 --num_test 4"),
    *FEW_STEPS,
]
pytestmark = pytest.mark.slow


def compare(recipe, *more):
    return subprocess.run(
        [str(recipe / "compare.sh"), *OPTIONS, *more],
        cwd=recipe,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def recipe(tree):
    folder = tree / "egs2" / "mini_synth" / "enh_asr_cbpc1"
    (folder / "conf" / "tiny.yaml").write_text(yaml.safe_dump(SYSTEMS, sort_keys=False))
    done = compare(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


@pytest.fixture(scope="module")
def results(recipe):
    return json.loads((recipe / "exp" / "tiny" / "results.json").read_text())


def test_report_has_every_kind_of_system_and_both_seeds(results):
    assert results["systems"] == [
        "Clean ASR, no enhancement",
        "Multi-condition ASR, no enhancement",
        "SE, then clean ASR",
        "SE, observation adding of 0.3, then clean ASR",
        "Joint, feature matching (joint_fm)",
        "Frozen ASR, no transcripts (frozen)",
    ]
    assert results["header"]["training seeds"] == "1 2"
    for system in results["systems"]:
        total = results["wer"][system]["test_unseen"]["total"]
        assert len(total["seeds"]) == 2
        low, high = total["interval"]
        assert low <= total["rate"] <= high


def test_report_is_in_a_folder_of_the_comparison_and_the_committed_one_stays(recipe):
    made = {path.name for path in (recipe / "exp" / "tiny").iterdir()}
    assert made == {"RESULTS.md", "results.json", "report.html", "embedding_map.npz", ".steps"}
    assert not list((recipe / "exp").glob("*.md"))  # run.sh may have its own there
    for name in ("RESULTS.md", "results.json"):
        committed = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / name
        assert (recipe / name).read_bytes() == committed.read_bytes()
    assert not (recipe / "report.html").exists()


def test_seeds_have_models_of_their_own(recipe):
    exp = recipe / "exp"
    for seed in (1, 2):
        for name in (
            f"asr_train_asr_word_seed{seed}",
            f"enh_train_enh_seed{seed}",
            f"asr_train_asr_multicondition_train_asr_word_seed{seed}",
            f"enh_asr_joint_fm_seed{seed}",
            f"enh_asr_frozen_seed{seed}",
        ):
            config = yaml.safe_load((exp / name / "config.yaml").read_text())
            assert config["seed"] == seed, name
    joint = yaml.safe_load((exp / "enh_asr_frozen_seed2" / "config.yaml").read_text())
    assert joint["tokenizer_conf"]["n_clusters"] == 8
    assert joint["joint_conf"]["update"] == "enh" and joint["joint_conf"]["alpha"] == 1.0


def test_again_it_does_nothing_anew(recipe):
    exp = recipe / "exp"
    made = sorted(p for p in exp.rglob("*") if p.is_file() and p.suffix in (".pth", ".wav"))
    before = {p: p.stat().st_mtime_ns for p in made}
    done = compare(recipe)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {p: p.stat().st_mtime_ns for p in made} == before
    assert "finished; all done already" in done.stdout


def test_texts_and_scores_without_models_make_the_same_tables(recipe, results):
    for found in (recipe / "exp").glob("*/decode/*/*"):
        there = recipe / "exp_brought" / found.relative_to(recipe / "exp")
        if found.name == "text":
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, there)
        elif found.name == "score_enh":
            shutil.copytree(found, there)
    shutil.copytree(recipe / "exp" / "noisy_scores", recipe / "exp_brought" / "noisy_scores")
    brought = ("--expdir", "exp_brought", "--results", "exp_brought/compared.md", "--stage", "16")
    done = compare(recipe, *brought)
    assert done.returncode == 0, done.stdout[-3000:]
    again = json.loads((recipe / "exp_brought" / "compared.json").read_text())
    for part in ("systems", "seeds", "wer", "quality", "tests"):
        assert again[part] == results[part], part
    assert "no exp_brought/compared.html: exp_brought/asr_train_asr_word_seed1" in done.stdout
    assert not (recipe / "exp_brought" / "compared.html").exists()
