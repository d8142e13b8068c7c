# SPDX-License-Identifier: Apache-2.0
"""A brought model in an experiment folder: complete, movable, usable where its origin is gone."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from espnet_cbpc.bin import import_model
from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.model_zoo import load_asr
from espnet_cbpc.model_zoo.config_files import bring_files, with_absolute_paths
from espnet_cbpc.utils.cli import UserError


def test_folder_stands_alone(zoo, packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(packed("asr"), "asr.zip")
    options = ["--kind", "asr", "--cachedir", "cache", "--outdir", "exp/asr_brought"]
    import_model.main([*options, "--model", "asr.zip"])
    shutil.rmtree("cache")
    folder = Path("exp/asr_brought")
    assert {p.name for p in folder.iterdir()} == {
        *("config.yaml", "model.pth", "bpe.model", "feats_stats.npz")
    }
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["bpemodel"] == "exp/asr_brought/bpe.model"  # as ESPnet: from the recipe's folder
    model, _ = load_asr(folder)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in zoo.asr_model.state_dict().items())
    with pytest.raises(UserError, match="exp/asr_brought exists: remove it"):
        import_model.main([*options, "--model", "asr.zip"])


def test_nothing_is_left_of_a_failed_import(zoo, tmp_path):
    out = tmp_path / "exp" / "asr"
    with pytest.raises(UserError, match="configures SE model"):
        import_model.main(["--kind", "asr", "--model", str(zoo.enh), "--outdir", str(out)])
    assert not out.exists()


def test_files_of_one_name_are_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_text(name)
    config = {
        "frontend_conf": {"path": str(tmp_path / "a/model.bin"), "upstreams": [{"ckpt": None}]},
        "encoder_conf": {"inner": [{"file": str(tmp_path / "b/model.bin")}, "conv2d"]},
        "bpemodel": str(tmp_path / "a/model.bin"),
        "train_shape_file": [str(tmp_path / "a/model.bin")],  # of the training, not of the model
    }
    (tmp_path / "out").mkdir()
    assert bring_files(config, tmp_path / "out") == ["model.bin", "model2.bin"]
    assert config["frontend_conf"]["path"] == config["bpemodel"] == "model.bin"
    assert config["encoder_conf"]["inner"] == [{"file": "model2.bin"}, "conv2d"]
    assert (tmp_path / "out" / "model2.bin").read_text() == "b"
    assert config["train_shape_file"] == [str(tmp_path / "a/model.bin")]


def test_paths_are_found_beside_the_configuration_or_above_it(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    for name in ("exp/asr/bpe.model", "data/stats.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    origin = tmp_path / "exp" / "asr" / "config.yaml"
    config = {"bpemodel": "bpe.model", "normalize_conf": {"stats_file": "data/stats.npz"}}
    found = with_absolute_paths(config, origin)
    assert found["bpemodel"] == str(tmp_path / "exp/asr/bpe.model")
    assert found["normalize_conf"]["stats_file"] == str(tmp_path / "data/stats.npz")
    assert config["bpemodel"] == "bpe.model"  # a copy was changed
    config["normalize_conf"]["stats_file"] = "data/gone.npz"
    with pytest.raises(UserError, match=r"1 file\(s\) .* \(stats_file: data/gone.npz\)"):
        with_absolute_paths(config, origin)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, {"update": "joint", "alpha": 0.1}),
        ({"asr_update": False}, {"update": "enh", "alpha": 0.1}),
        ({"use_transcripts": False}, {"update": "joint", "alpha": 1.0}),
        ({"fs": 8000}, {"update": "joint", "alpha": 0.1}),
        ({"fs": 16000}, {"update": "joint", "alpha": 0.1, "enh_fs": 16000, "asr_fs": 8000}),
    ],
)
def test_what_is_adapted_and_how(options, expected):
    training = {
        "joint_conf": {"update": "joint", "alpha": 0.1},
        "best_model_criterion": [["valid", "loss_asr", "min"]],
    }
    config = joint_config(training, {"frontend_conf": {"fs": "8k"}}, {}, **options)
    assert config["joint_conf"] == expected
    without = not options.get("use_transcripts", True)
    assert config["best_model_criterion"] == [["valid", "loss" if without else "loss_asr", "min"]]
    assert training["joint_conf"] == {"update": "joint", "alpha": 0.1}
