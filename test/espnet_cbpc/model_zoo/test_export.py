"""What cannot be exported, and that it leaves nothing behind."""

import pytest
import torch
import yaml

from espnet_cbpc.model_zoo.export import export
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"bpemodel": str(tmp_path / "gone.model")}))
    return path


def test_what_is_no_joint_experiment_is_refused(tmp_path, config):
    model, out = tmp_path / "model.pth", tmp_path / "out"
    with pytest.raises(UserError, match="model.pth: no such file: train the joint model first"):
        export(config, model, out)
    model.write_bytes(b"junk")
    with pytest.raises(UserError, match="model.pth: not a readable checkpoint"):
        export(config, model, out)
    torch.save({"encoder.weight": torch.zeros(1)}, model)
    with pytest.raises(UserError, match="holds no enh_model.*: it is not that of a joint model"):
        export(config, model, out)
    torch.save({"enh_model.w": torch.zeros(1), "s2t_model.w": torch.zeros(1)}, model)
    with pytest.raises(UserError, match="gone.model: the configuration names this file"):
        export(config, model, out)
    assert list(out.iterdir()) == []
