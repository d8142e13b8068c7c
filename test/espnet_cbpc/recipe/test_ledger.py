# SPDX-License-Identifier: Apache-2.0
"""What is done, of what; what was made is never lost."""

import dataclasses
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from espnet_cbpc.recipe.inputs import File, Missing
from espnet_cbpc.recipe.ledger import State
from espnet_cbpc.utils.cli import UserError


def test_a_step_is_done_once(workshop):
    step = workshop.step(inputs={"lr": 1})
    assert workshop.do(step) is State.NEW
    assert workshop.do(step) is State.DONE
    assert workshop.ran == ["model"]


def test_a_finished_model_comes_back_after_another_was_begun_in_its_place(workshop):
    workshop.do(workshop.step(inputs={"lr": 1}))
    model = Path("exp/model/made").stat().st_ino
    assert workshop.do(workshop.step(inputs={"lr": 2}), interrupt=True) is State.CHANGED
    assert Path("exp/model/made").read_text() == "{'lr': 2}"
    workshop.ran.clear()
    workshop.do(workshop.step(inputs={"lr": 1}))
    assert workshop.ran == []
    assert Path("exp/model/made").stat().st_ino == model
    # and what was begun is kept, and resumed where it is wanted again
    state = workshop.ledger.status(workshop.step(inputs={"lr": 2}))
    assert state.kept is not None
    workshop.do(workshop.step(inputs={"lr": 2}), interrupt=True)
    assert workshop.ledger.record(workshop.step())["state"] == "begun"
    assert Path("exp/model/made").read_text() == "{'lr': 2}"


def test_every_version_is_kept(workshop):
    for lr in (1, 2, 3, 4):
        workshop.do(workshop.step(inputs={"lr": lr}))
    found = {path.read_text() for path in Path("exp").rglob("made")}
    assert found == {f"{{'lr': {lr}}}" for lr in (1, 2, 3, 4)}
    for lr in (2, 1, 4, 3):
        workshop.ran.clear()
        workshop.do(workshop.step(inputs={"lr": lr}))
        assert workshop.ran == [] and Path("exp/model/made").read_text() == f"{{'lr': {lr}}}"
    assert len(list(Path("exp/replaced").iterdir())) == 3


def test_a_move_that_fails_stops_the_run_and_alters_nothing(workshop, monkeypatch):
    def step(lr):
        outputs = (Path("exp/model"), Path("exp/log"))
        return dataclasses.replace(workshop.step(inputs={"lr": lr}), outputs=outputs)

    Path("exp").mkdir()
    Path("exp/log").write_text("a log")
    workshop.do(workshop.step(inputs={"lr": 1}))
    record, rename = workshop.ledger.record(step(1)), os.rename

    def refuse(source, target):
        if source == Path("exp/log"):
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(UserError, match="exp/log: cannot be moved to .* nothing was run"):
            workshop.do(step(2))
    assert workshop.ran == ["model"]
    assert workshop.ledger.record(step(1)) == record
    assert Path("exp/model/made").read_text() == "{'lr': 1}"
    assert workshop.do(step(1)) is State.DONE


def test_what_has_changed_is_told_with_both_values(workshop):
    config = {"optim_conf": {"lr": 0.001}, "max_epoch": 3}
    workshop.do(workshop.step(inputs={"config": config, "seed": None}))
    config = {"max_epoch": 3, "optim_conf": {"lr": 0.002}}
    status = workshop.ledger.status(workshop.step(inputs={"config": config, "seed": 1}))
    assert status.reasons == ["config.optim_conf.lr: 0.002 (was 0.001)", "seed: 1 (was unset)"]


def test_of_many_changes_the_first_are_told(workshop):
    workshop.do(workshop.step(inputs={f"option{i}": 0 for i in range(9)}))
    status = workshop.ledger.status(workshop.step(inputs={f"option{i}": i for i in range(9)}))
    assert status.why.startswith("option1: 1 (was 0); option2: 2 (was 0)")
    assert status.why.endswith("option5: 5 (was 0) and 3 more")


def test_an_output_that_is_gone_is_made_again_and_the_rest_stays(workshop):
    step = workshop.step()
    workshop.do(step)
    Path("exp/model/made").rename("exp/elsewhere")
    Path("exp/model").rmdir()
    assert workshop.do(step) is State.INTERRUPTED
    assert workshop.ran == ["model", "model"]


def test_what_something_else_has_made_moves_away(workshop):
    Path("exp/model").mkdir(parents=True)
    Path("exp/model/mine").write_text("a foreign file")
    assert workshop.do(workshop.step()) is State.FOREIGN
    (kept,) = Path("exp/replaced").glob("*/model/mine")
    assert kept.read_text() == "a foreign file"


def test_of_a_whole_folder_all_but_the_bookkeeping_moves(workshop):
    def step(seed):
        return workshop.step("data", {"seed": seed}, "data/train", moves=(Path("data"),))

    workshop.do(step(1))
    Path("data/audio").mkdir()
    Path("data/audio/a.wav").write_text("seed 1")
    workshop.do(step(2))
    assert not Path("data/audio").exists()
    workshop.do(step(1))
    assert workshop.ran == ["data", "data"]
    assert Path("data/audio/a.wav").read_text() == "seed 1"


def test_records_move_with_what_they_lie_in(workshop):
    inner = workshop.step("inner", {"of": 1}, "exp/model/decode")
    workshop.do(workshop.step(inputs={"lr": 1}))
    workshop.do(inner)
    workshop.do(workshop.step(inputs={"lr": 2}))
    assert workshop.ledger.record(inner) == {}
    workshop.do(workshop.step(inputs={"lr": 1}))
    assert workshop.do(inner) is State.DONE


def test_a_step_that_has_not_made_its_output_is_not_done(workshop):
    step = workshop.step()
    ledger = workshop.ledger
    ledger.begin(step, ledger.status(step))
    with pytest.raises(UserError, match="model ended without making exp/model"):
        ledger.finish(step)
    assert ledger.record(step)["state"] == "begun"


def test_a_missing_input_is_no_empty_one(workshop):
    with pytest.raises(Missing, match="conf/train.yaml: no such file"):
        workshop.do(workshop.step(inputs={"config": File("conf/train.yaml")}))
    assert workshop.ran == []


def test_a_damaged_record_is_named(workshop):
    step = workshop.step()
    workshop.do(step)
    Path("exp/.steps/model.json").write_text('{"state": "do')
    with pytest.raises(UserError, match="exp/.steps/model.json: cannot be read"):
        workshop.do(step)
    assert Path("exp/model/made").exists()


def test_records_say_when_and_with_what(workshop):
    workshop.do(workshop.step())
    record = json.loads(Path("exp/.steps/model.json").read_text())
    assert record["began"] <= record["ended"] and "ESPnet 20" in record["made_by"]


def _hold(workshop, barrier, seconds):
    step = workshop.step()
    with workshop.ledger.lock(step):
        barrier.wait()
        time.sleep(seconds)


def test_a_step_waits_for_the_run_that_has_it_and_others_do_not(workshop, caplog):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    other = context.Process(target=_hold, args=(workshop, barrier, 1.5))
    other.start()
    barrier.wait()
    assert f"process {other.pid} on" in workshop.ledger.is_running(workshop.step())
    begin = time.monotonic()
    with caplog.at_level("INFO"):
        workshop.do(workshop.step("another"))
        assert time.monotonic() - begin < 1.0
        workshop.do(workshop.step())
    assert time.monotonic() - begin > 1.0
    assert f"model: waiting for process {other.pid}" in caplog.text
    other.join()
    assert workshop.ledger.is_running(workshop.step()) == ""


def test_a_lock_ends_with_its_process(workshop):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    other = context.Process(target=_hold, args=(workshop, barrier, 60))
    other.start()
    barrier.wait()
    other.kill()
    other.join()
    assert workshop.do(workshop.step()) is State.NEW


def test_a_folder_that_cannot_be_written_is_named(workshop):
    Path("exp").write_text("a file")
    with pytest.raises(UserError, match=r"exp/.steps/model.lock: cannot be written"):
        workshop.do(workshop.step())
