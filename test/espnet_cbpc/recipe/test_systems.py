# SPDX-License-Identifier: Apache-2.0
"""The joint systems of a recipe: of its configurations, or of a comparison."""

import pytest
import yaml

from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.systems import joint_systems, merged, multicondition_config
from espnet_cbpc.utils.cli import UserError

TRAIN = {"max_epoch": 12, "joint_conf": {"alpha": 0.1, "teacher": "frozen"}, "criteria": [1, 2]}
SYSTEMS = {
    "changes": {"max_epoch": 4},
    "systems": {
        "both": {"title": "Both losses", "config": "train.yaml"},
        "none": {
            "title": "No contrast",
            "config": "train.yaml",
            "changes": {"criteria": [], "joint_conf": {"teacher": "ema"}, "max_epoch": 5},
        },
        "coarse": {"title": "Coarse", "config": "train.yaml", "tokenizer": {"n_clusters": 8}},
    },
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(TRAIN))
    (tmp_path / "tokenizer.yaml").write_text("n_clusters: 50\nseed: 0\n")
    (tmp_path / "comparison.yaml").write_text(yaml.safe_dump(SYSTEMS, sort_keys=False))
    return tmp_path


def compared(path="comparison.yaml", names=(), **options):
    given = {"tokenizer_conf": "tokenizer.yaml", "systems": tuple(names), **options}
    return joint_systems(RecipeOptions(comparison=path, **given))


def test_systems_are_the_base_with_changes(files):
    both, none, coarse = compared()
    assert both.config == {**TRAIN, "max_epoch": 4}
    assert none.title == "No contrast"
    assert none.config == {
        "max_epoch": 5,
        "joint_conf": {"alpha": 0.1, "teacher": "ema"},
        "criteria": [],
    }
    assert both.tokenizer == {"n_clusters": 50, "seed": 0}
    assert coarse.tokenizer == {"n_clusters": 8, "seed": 0}


def test_common_changes_reach_the_asr_model_without_se_where_it_has_such_a_key(files):
    (files / "asr.yaml").write_text("max_epoch: 12\nseed: 3\n")
    changes = {"max_epoch": 4, "joint_conf": {"alpha": 1}}
    (files / "comparison.yaml").write_text(yaml.safe_dump({**SYSTEMS, "changes": changes}))
    options = RecipeOptions(comparison="comparison.yaml", multicondition_asr_config="asr.yaml")
    assert multicondition_config(options) == {"max_epoch": 4, "seed": 3}
    alone = RecipeOptions(multicondition_asr_config="asr.yaml")
    assert multicondition_config(alone) == {"max_epoch": 12, "seed": 3}


def test_merging_leaves_both_as_they_were():
    base, changes = {"a": {"b": 1}}, {"a": {"c": [2]}}
    result = merged(base, changes)
    result["a"]["c"].append(3)
    assert result == {"a": {"b": 1, "c": [2, 3]}}
    assert base == {"a": {"b": 1}} and changes == {"a": {"c": [2]}}


def test_items_of_a_list_are_changed_by_their_names():
    base = {"criteria": [{"name": "a", "conf": {"x": 1, "y": 2}}, {"name": "b", "weight": 3}]}
    changes = {"criteria": {"a": {"conf": {"x": 5}}, "b": None}}
    assert merged(base, changes) == {"criteria": [{"name": "a", "conf": {"x": 5, "y": 2}}]}
    with pytest.raises(UserError, match="changes of criteria: no c among a, b"):
        merged(base, {"criteria": {"c": None}})


def test_names_tell_the_tokenizer_and_what_is_frozen(files):
    both, _, coarse = compared(asr_update=False, use_transcripts=False)
    assert both.name == "both_frozen_asr_no_transcripts"
    assert both.label == "Both losses (both_frozen_asr_no_transcripts)"
    assert both.tokenizer_name == "tokenizer_n_clusters50"
    assert coarse.tokenizer_name == "tokenizer_n_clusters8"


def test_configurations_have_their_titles_in_a_field(files):
    (files / "base.yaml").write_text("# no title\ntitle: The base\nmax_epoch: 1\n")
    options = {"baseline_configs": ("base.yaml",), "enh_asr_config": "train.yaml"}
    base, main = joint_systems(
        RecipeOptions(tokenizer_conf="tokenizer.yaml", enh_asr_tag="mine", **options)
    )
    assert (base.label, base.config) == ("The base (base)", {"max_epoch": 1})
    assert (main.name, main.title, main.config) == ("mine", "train", TRAIN)


def test_two_systems_of_one_name_are_refused(files):
    options = {"baseline_configs": ("train.yaml",), "enh_asr_config": "train.yaml"}
    with pytest.raises(UserError, match="several joint systems are named train: rename a file"):
        joint_systems(RecipeOptions(tokenizer_conf="tokenizer.yaml", **options))


def test_options_call_systems_as_the_comparison_does(files):
    (system,) = compared(names=["both"], asr_update=False)
    assert (system.key, system.name) == ("both", "both_frozen_asr")


def test_some_systems(files):
    systems = compared(names=["coarse", "both"])
    assert [system.name for system in systems] == ["coarse", "both"]


@pytest.mark.parametrize(
    "content, message",
    [
        ({"rows": {}}, "must hold systems, and optionally changes"),
        ({"systems": {"a": {"title": "A"}}}, "system a must have a title and a config"),
        ({"systems": {"a": {"title": "A", "config": "no.yaml"}}}, "no.yaml: cannot be read"),
    ],
)
def test_bad_comparisons_are_refused(files, content, message):
    (files / "bad.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        compared("bad.yaml")


def test_unknown_system_is_refused(files):
    with pytest.raises(UserError, match="no system x; there are both, none, coarse"):
        compared(names=["x"])
