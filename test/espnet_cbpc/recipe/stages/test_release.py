# SPDX-License-Identifier: Apache-2.0
"""What the report is made from."""

import pytest
import yaml

from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages.release import result_folders

CONFIGS = {"train_enh_asr_cbpc": {"title": "Main"}, "tokenizer_kmeans": {"n_clusters": 5}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    for name, config in CONFIGS.items():
        (tmp_path / "conf" / f"{name}.yaml").write_text(yaml.safe_dump(config))


def test_a_pretrained_model_by_itself_counts_once_however_many_seeds():
    options = {"token_type": "word", "asr_model": "m.zip", "seeds": ("0", "1", "2")}
    found = result_folders(Recipe(RecipeOptions(**options, enhanced=("theirs=wav",))))
    counts = {label: len(folders) for label, folders in found.items()}
    assert counts == {
        "m, no enhancement": 1,
        "SE, then m": 3,
        "theirs, then m": 1,
        "Main (train_enh_asr_cbpc)": 3,
    }
