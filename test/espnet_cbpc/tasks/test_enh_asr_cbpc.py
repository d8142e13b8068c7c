# SPDX-License-Identifier: Apache-2.0
"""The task: its options, and where the tokenizer comes from."""

import pytest
import torch

from espnet_cbpc.tasks.options import PLUGIN_OPTIONS
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError


def test_every_stock_option_is_taken_and_the_own_ones_are_listed_for_the_export(task):
    from espnet2.tasks.enh_s2t import EnhS2TTask

    own, stock = ({a.dest for a in t.get_parser()._actions} for t in (task, EnhS2TTask))
    assert own - stock == set(PLUGIN_OPTIONS)
    assert stock <= own


def test_default_configuration_has_both_criterions_and_the_joint_options(task):
    config = task.get_default_config()
    assert [c["name"] for c in config["contrastive_criterions"]] == ["cbpc", "infonce"]
    assert config["joint_conf"]["teacher"] == "frozen" and config["joint_conf"]["alpha"] == 0.5
    assert not {"tokenizer", "criterions", "calc_enh_loss"} & set(config["joint_conf"])


def test_fitted_tokenizer_is_read_and_its_sizes_go_into_the_saved_configuration(
    task, tiny_args, tmp_path
):
    tokenizer = KMeansTokenizer(7, 16)
    tokenizer.centroids.normal_(generator=torch.Generator().manual_seed(0))
    tokenizer.save(tmp_path / "t.safetensors")
    args = tiny_args(tokenizer_init=str(tmp_path / "t.safetensors"))
    model = task.build_model(args)
    assert torch.equal(model.tokenizer.centroids, tokenizer.centroids)
    assert args.tokenizer_conf == {"n_clusters": 7, "feature_dim": 16}

    # Later the file is gone: the checkpoint holds the centroids.
    (tmp_path / "t.safetensors").unlink()
    again = task.build_model(args)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.tokenizer.centroids, tokenizer.centroids)


def test_tokenizer_of_another_encoder_is_refused_with_the_remedy(task, tiny_args, tmp_path):
    KMeansTokenizer(4, 32).save(tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="frames of 32 dimensions, but the ASR encoder makes 16"):
        task.build_model(tiny_args(tokenizer_init=str(tmp_path / "t.safetensors")))


def test_configuration_of_a_stock_joint_model_builds_a_conventional_model(task, tiny_args):
    args = tiny_args()
    for name in PLUGIN_OPTIONS:
        delattr(args, name)
    model = task.build_model(args)
    assert len(model.criterions) == 0 and model.teacher is None


def test_criterions_of_one_name_are_told_apart(tiny_model, tiny_batch):
    pairs = [{"name": "cbpc", "conf": {"pairs": p}} for p in ("all", "cross")]
    model = tiny_model(contrastive_criterions=pairs).eval()
    _, stats, _ = model(**tiny_batch())
    assert stats["loss_cbpc"] != stats["loss_cbpc2"]
