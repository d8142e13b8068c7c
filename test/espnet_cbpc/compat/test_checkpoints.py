# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that a kill has cut short."""

import pytest
import torch

from espnet_cbpc.compat.checkpoints import check_resumable, mend_checkpoints
from espnet_cbpc.compat.releases import espnet_release
from espnet_cbpc.utils.cli import UserError

MODEL = {"w": torch.arange(1000.0)}


def training(folder, epoch=2):
    states = {"model": MODEL, "reporter": {"epoch": epoch, "stats": {}}}
    torch.save(states, folder / "checkpoint.pth")
    for e in range(1, epoch + 1):
        torch.save(MODEL, folder / f"{e}epoch.pth")


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def test_what_is_whole_stays_as_it_is(tmp_path):
    training(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    mend_checkpoints(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_model_of_the_last_epoch_is_written_again(tmp_path):
    for size in (0, 700):
        training(tmp_path)
        cut(tmp_path / "2epoch.pth", size)
        mend_checkpoints(tmp_path)
        assert torch.equal(torch.load(tmp_path / "2epoch.pth")["w"], MODEL["w"])
    (tmp_path / "2epoch.pth").unlink()
    mend_checkpoints(tmp_path)
    assert torch.equal(torch.load(tmp_path / "2epoch.pth")["w"], MODEL["w"])


def hollow(path):
    """Leave a hole of zeros in the middle, as a loss of power does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [lambda path: cut(path, 700), hollow])
def test_a_damaged_checkpoint_is_moved_so_that_training_starts_from_scratch(tmp_path, damage):
    training(tmp_path)
    damage(tmp_path / "checkpoint.pth")
    mend_checkpoints(tmp_path)
    names = ["1epoch.pth", "2epoch.pth", "checkpoint.pth.broken"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    training(tmp_path)
    damage(tmp_path / "2epoch.pth")
    mend_checkpoints(tmp_path)
    assert torch.equal(torch.load(tmp_path / "2epoch.pth")["w"], MODEL["w"])


class Layer(torch.nn.Module):
    def __init__(self, names):
        super().__init__()
        for name in names:
            self.register_parameter(name, torch.nn.Parameter(torch.ones(2)))


def test_a_checkpoint_of_another_release_must_fit_before_anything_is_written(tmp_path):
    states = {"model": Layer(["w"]).state_dict()}
    torch.save(states, tmp_path / "checkpoint.pth")
    config = tmp_path / "config.yaml"
    config.write_text("version: '200001'\n")
    check_resumable(tmp_path, lambda: Layer(["w"]))  # fits all the same
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    message = "was written by ESPnet 200001, and ESPnet .* cannot resume from it"
    with pytest.raises(UserError, match=message):
        check_resumable(tmp_path, lambda: Layer(["w", "b"]))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    config.write_text(f"version: '{espnet_release()}'\n")
    check_resumable(tmp_path, None)  # of this release: ESPnet's own affair


def test_what_the_running_release_refuses_to_read_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("espnet_cbpc.compat.checkpoints._refuses_pickles", lambda: True)
    torch.save({"model": {}, "args": Layer}, tmp_path / "checkpoint.pth")
    (tmp_path / "config.yaml").write_text("version: '200001'\n")
    with pytest.raises(UserError, match="resume with ESPnet 200001; or train in another folder"):
        check_resumable(tmp_path, lambda: Layer([]))


def test_training_that_has_not_begun_is_left_alone(tmp_path):
    mend_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []
