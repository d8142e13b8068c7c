# SPDX-License-Identifier: Apache-2.0
"""Running, foreseeing and telling the state of steps, with fake stages."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from espnet_cbpc.recipe import runner as module
from espnet_cbpc.recipe import stages as all_stages
from espnet_cbpc.recipe.inputs import File
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.runner import Runner
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError

SCORES = "test_a of exp/decode, test_b of exp/decode"


class Stages:
    """A data step, two models of it, and scores of one; each writes a file."""

    def __init__(self):
        self.ran, self.lr, self.text, self.fails = [], 1, "same", ()
        self.began = threading.Barrier(2, timeout=10)
        self.side_by_side = False

    def make(self, name, content):
        def run(jobs, steps):
            self.ran += [step.name for step in steps]
            if name in self.fails:
                raise UserError(f"{name} failed")
            if self.side_by_side and name.startswith("model"):
                self.began.wait()
            for step in steps:
                step.outputs[0].mkdir(parents=True, exist_ok=True)
                (step.outputs[0] / "made").write_text(content())

        return run

    def chains(self, recipe, number):
        data = Step("data", {"seed": 0}, (Path("exp/data"),), self.make("data", lambda: self.text))
        made = File("exp/data/made")

        def model(name):
            inputs = {"data": made, "lr": self.lr}
            run = self.make(name, lambda: f"{name} {self.lr}")
            return Step(name, inputs, (Path("exp", name),), run, is_training=True)

        def score(name):
            inputs = {"model": File("exp/model_a/made")}
            run = self.make(name, lambda: "score")
            return Step(name, inputs, (Path("exp/decode", name),), run, batch="scores")

        stages = {
            1: [[data]],
            13: [[model("model_a")], [model("model_b")]],
            14: [[score("test_a"), score("test_b")]],
        }
        return stages.get(number, [])


@pytest.fixture
def stages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("train_cmd", raising=False)
    (tmp_path / "conf").mkdir()
    for name in ("tokenizer_kmeans", "train_enh_asr_cbpc"):
        (tmp_path / "conf" / f"{name}.yaml").write_text("")
    made = Stages()
    for place in (module, all_stages):
        monkeypatch.setattr(place, "chains", made.chains)
    return made


def runner(**options):
    return Runner(Recipe(RecipeOptions(**options)))


def test_steps_run_in_order_and_once(stages, caplog):
    with caplog.at_level("INFO"):
        runner().run()
        assert stages.ran == ["data", "model_a", "model_b", "test_a", "test_b"]
        runner().run()
    assert len(stages.ran) == 5
    assert "all done already" in caplog.messages[-1]
    assert "already done, skipped: model_a, model_b" in caplog.text


def test_equal_data_train_nothing_again(stages):
    runner().run()
    stages.ran.clear()
    Path("exp/data/made").unlink()
    Path("exp/data").rmdir()
    runner().run()
    assert stages.ran == ["data"]


def test_a_change_runs_what_depends_on_it_and_says_why(stages, caplog):
    runner().run()
    stages.ran.clear()
    stages.lr = 2
    foreseen = list(runner().dry_run())
    assert foreseen == [
        "would run: stage 13, model_a: lr: 2 (was 1)",
        "would run: stage 13, model_b: lr: 2 (was 1)",
        f"would run: stage 14, {SCORES}, if model_a changes its output",
        "1 of the steps of these stages are done, 4 are not",
    ]
    assert stages.ran == []
    with caplog.at_level("INFO"):
        runner().run()
    assert stages.ran == ["model_a", "model_b", "test_a", "test_b"]
    assert "model_a: exp/model_a moves to exp/replaced/" in caplog.text
    assert "(lr: 2 (was 1))" in caplog.text


def test_what_was_taken_back_moves_back_with_what_depended_on_it(stages):
    runner().run()
    stages.lr = 2
    runner(stop_stage=13).run()
    stages.lr = 1
    stages.ran.clear()
    assert list(runner().dry_run())[0].startswith(
        "would move back: stage 13, model_a, from exp/rep"
    )
    runner().run()
    assert stages.ran == []
    assert Path("exp/model_a/made").read_text() == "model_a 1"


def test_before_anything_was_run_all_of_it_is_foreseen(stages):
    assert list(runner().dry_run()) == [
        "would run: stage 1, data: not run yet",
        "would run: stage 13, model_a, model_b, after data",
        f"would run: stage 14, {SCORES}, after model_a",
        "0 of the steps of these stages are done, 5 are not",
    ]
    (line,) = [line for line in runner(stage=14).dry_run() if "test_a" in line]
    assert line == (
        "cannot run: stage 14, test_a of exp/decode: exp/model_a/made: no such file or folder: "
        "stage 13 (joint) makes it (model_a)"
    )


def test_what_is_not_there_is_named_with_the_stage_that_makes_it(stages):
    with pytest.raises(UserError, match=r"test_a cannot run: .*stage 13 \(joint\) makes it"):
        runner(stage=14).run()


def test_keep_refuses_to_replace_a_finished_model(stages):
    runner().run()
    stages.lr = 2
    with pytest.raises(UserError, match=r"model_a is fully trained.*lr: 2 \(was 1\)"):
        runner(keep=True).run()
    assert Path("exp/model_a/made").read_text() == "model_a 1"


def test_chains_run_side_by_side(stages):
    stages.side_by_side = True
    runner(train_nj=2).run()  # each model waits for the other
    assert sorted(stages.ran[1:3]) == ["model_a", "model_b"]


@pytest.mark.parametrize("train_nj", [1, 2])
def test_after_a_failure_nothing_more_begins_and_it_is_resumed(stages, train_nj):
    stages.fails = ("model_a",)
    with pytest.raises(UserError, match="model_a failed"):
        runner(train_nj=train_nj).run()
    assert "test_a" not in stages.ran
    stages.fails = ()
    stages.ran.clear()
    runner().run()
    assert stages.ran[0] == "model_a" and stages.ran[-2:] == ["test_a", "test_b"]


def test_status_says_what_is_done_since_when(stages):
    runner(stop_stage=13).run()
    stages.lr = 2
    lines = [line.split()[0] for line in runner().status()]
    assert lines == ["done", "out", "out", "not", "not"]
    assert list(runner(stop_stage=1).status())[0].split()[2] == "data"


def test_stages_that_are_left_out(stages):
    assert runner(stage=5, stop_stage=99).stages() == [5, *range(9, 19)]
    assert runner(stage=5, skip_train=True).stages() == [5, *range(14, 19)]
    assert runner(stage=6, stop_stage=9, use_lm=True, lm_config="x").stages() == [6, 7, 8, 9]


def test_several_machines_need_a_cluster(stages):
    with pytest.raises(UserError, match="--num_nodes 2 needs a train_cmd in cmd.sh"):
        runner(num_nodes=2)


def test_what_is_to_be_done_is_told_without_importing_torch():
    code = "import sys, espnet_cbpc.bin.run_recipe, espnet_cbpc.recipe.runner; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "espnet2"} & set(done.stdout.split()) == set()
