# SPDX-License-Identifier: Apache-2.0
"""Names of experiments, checkpoints and systems."""

from pathlib import Path

import pytest
import yaml

from espnet_cbpc.recipe.inputs import Model
from espnet_cbpc.recipe.layout import name_of_model
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages.models import brought
from espnet_cbpc.utils.cli import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    by_asr = {"title": "Main", "best_model_criterion": [["valid", "loss_asr", "min"]]}
    by_loss = {"title": "Other", "best_model_criterion": [["valid", "loss", "min"]]}
    for name, config in {
        "train_enh_asr_cbpc": by_asr,
        "other": by_loss,
        "tokenizer_kmeans": {"n_clusters": 5},
    }.items():
        (tmp_path / "conf" / f"{name}.yaml").write_text(yaml.safe_dump(config))


def experiments(**options):
    return Recipe(RecipeOptions(token_type="word", **options)).experiments


@pytest.mark.parametrize(
    "model, name",
    [
        ("exp/x/packed/asr.zip", "asr"),
        ("a/b.tar.gz", "b"),
        ("exp/asr_train/config.yaml,exp/asr_train/valid.acc.best.pth", "asr_train"),
        ("https://host/path/model.zip?download=1", "model"),
        ("user/name@main", "name_main"),
        ("exp/enh_train/", "enh_train"),
    ],
)
def test_brought_models_have_names_for_files(model, name):
    assert name_of_model(model) == name


def test_seeds_have_models_of_their_own_and_share_statistics():
    one, two = experiments(seeds=("1", "2"))
    assert one.asr.exp == Path("exp/asr_train_asr_word_seed1")
    assert two.enh.exp == Path("exp/enh_train_enh_seed2")
    assert one.joint_stats == two.joint_stats == Path("exp/enh_asr_stats_train_asr_word")
    assert one.seed_options == ["--seed", "1"]
    (plain,) = experiments()
    assert plain.asr.exp == Path("exp/asr_train_asr_word") and plain.seed_options == []


def test_checkpoints_are_chosen_by_what_the_training_has():
    (one,) = experiments(baseline_configs=("conf/other.yaml",))
    other, main = one.layout.systems
    assert one.joint(main) == Model(
        Path("exp/enh_asr_train_enh_asr_cbpc"), "valid.loss_asr.ave.pth"
    )
    assert one.joint(other).checkpoint == "valid.loss.ave.pth"
    (one,) = experiments(asr_model="m.zip", asr_update=False, use_transcripts=False)
    joint = one.joint(one.layout.systems[0])
    assert joint.exp.name == "enh_asr_train_enh_asr_cbpc_frozen_asr_no_transcripts"
    assert joint.checkpoint == "valid.loss.ave.pth" and one.asr.checkpoint == "model.pth"
    (one,) = experiments(inference_enh_asr_model="latest.pth")
    assert one.joint(one.layout.systems[0]).checkpoint == "latest.pth"


def test_systems_are_in_the_order_of_the_report():
    (one,) = experiments(multicondition_asr_config="conf/mc.yaml", observation_adding=("0.3",))
    labels = {system.label: one.folder(system) for system in one.decoded()}
    assert list(labels) == [
        "Clean ASR, no enhancement",
        "Multi-condition ASR, no enhancement",
        "SE, then clean ASR",
        "SE, observation adding of 0.3, then clean ASR",
        "Main (train_enh_asr_cbpc)",
    ]
    assert labels["SE, observation adding of 0.3, then clean ASR"] == Path(
        "exp/cascade_train_enh_train_asr_word_oa0.3/decode"
    )
    assert [system.enhances for system in one.decoded()] == [False, False, True, True, True]


def test_observation_adding_is_added_to_the_systems_that_are_named(tmp_path):
    shares = {"observation_adding": ("0.5", "auto"), "enhanced": (f"GTCRN={tmp_path}",)}
    (one,) = experiments(**shares, observation_adding_to=("enhanced", "joint"))
    found = {system.label: (system.name, system.share) for system in one.decoded()}
    joint = "enh_asr_train_enh_asr_cbpc"
    assert found == {
        "Clean ASR, no enhancement": ("noenh_train_asr_word", ""),
        "SE, then clean ASR": ("cascade_train_enh_train_asr_word", ""),
        "GTCRN, then clean ASR": ("enhanced_GTCRN_train_asr_word", ""),
        "GTCRN, observation adding of 0.5, then clean ASR": (
            "enhanced_GTCRN_train_asr_word_oa0.5",
            "0.5",
        ),
        "GTCRN, observation adding by the ASR model, then clean ASR": (
            "enhanced_GTCRN_train_asr_word_oaauto",
            "auto",
        ),
        "Main (train_enh_asr_cbpc)": (joint, ""),
        "Main, observation adding of 0.5 (train_enh_asr_cbpc)": (f"{joint}_oa0.5", "0.5"),
        "Main, observation adding by the ASR model (train_enh_asr_cbpc)": (
            f"{joint}_oaauto",
            "auto",
        ),
    }
    assert {m.exp.name for s in one.decoded() if s.kind == "joint" for m in one.models(s)} == {
        joint
    }


def test_others_are_compared_with_any_system(tmp_path):
    shares = {"observation_adding": ("0.5",), "enhanced": (f"GTCRN={tmp_path}",)}

    def compared_with(*names):
        options = {"baseline_configs": ("conf/other.yaml",), "compare_with": names, **shares}
        return Recipe(RecipeOptions(token_type="word", **options)).compared_with

    assert compared_with() == ["Main (train_enh_asr_cbpc)"]
    assert compared_with("noenh", "GTCRN", "cascade_oa0.5", "other") == [
        "Clean ASR, no enhancement",
        "GTCRN, then clean ASR",
        "SE, observation adding of 0.5, then clean ASR",
        "Other (other)",
    ]
    message = (
        r"--compare_with: no system main, multicondition; there are noenh, cascade, cascade_oa0.5, "
        r"GTCRN, GTCRN_oa0.5, other, train_enh_asr_cbpc$"
    )
    with pytest.raises(UserError, match=message):
        compared_with("main", "noenh", "multicondition")
    shares["enhanced"] = (f"other={tmp_path}",)
    assert compared_with("noenh") == ["Clean ASR, no enhancement"]
    with pytest.raises(
        UserError, match="--compare_with other: that is the name of several systems"
    ):
        compared_with("other")


def test_reports_are_where_they_are_asked_for():
    for options, results, page in (
        ({}, "exp/RESULTS.md", "exp/report.html"),
        ({"results": "dev.md"}, "dev.md", "dev.html"),
        ({"results": "a/RESULTS.md"}, "a/RESULTS.md", "a/report.html"),
    ):
        layout = experiments(**options)[0].layout
        assert (layout.results, layout.page) == (Path(results), Path(page))


def test_a_model_that_is_there_whole_is_not_brought_again():
    recipe = Recipe(RecipeOptions(token_type="word", asr_model="m.zip"))
    target = recipe.experiments[0].asr
    step = brought(recipe, "asr", "m.zip", target, "valid.loss.ave.pth")
    target.exp.mkdir(parents=True)
    (target.exp / "config.yaml").write_text("encoder: conformer\n")
    step.run(None, [step])  # a job would need somewhere to run


def test_a_model_that_cannot_be_trained_is_told_of_when_it_is_brought():
    recipe = Recipe(RecipeOptions(token_type="word", asr_model="m.zip"))
    target = recipe.experiments[0].asr
    step = brought(recipe, "asr", "m.zip", target, "valid.loss.ave.pth")
    target.exp.mkdir(parents=True)
    (target.exp / "config.yaml").write_text("decoder: owsm\n")
    with pytest.raises(UserError, match="OWSM must be frozen"):
        step.run(None, [step])
