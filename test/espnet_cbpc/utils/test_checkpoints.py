"""Checkpoints that a kill has cut short."""

import torch

from espnet_cbpc.utils.checkpoints import mend_checkpoints

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


def test_checkpoint_that_is_cut_short_goes_so_that_training_begins_anew(tmp_path):
    training(tmp_path)
    cut(tmp_path / "checkpoint.pth", 700)
    mend_checkpoints(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1epoch.pth", "2epoch.pth"]


def test_training_that_has_not_begun_is_left_alone(tmp_path):
    mend_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []
