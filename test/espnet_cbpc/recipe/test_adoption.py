# SPDX-License-Identifier: Apache-2.0
"""Experiments of version 0.1: continued on demand, else refused with one message."""

from pathlib import Path

import pytest

from espnet_cbpc.recipe import adoption
from espnet_cbpc.recipe.adoption import check_version_0_1
from espnet_cbpc.recipe.inputs import Digests
from espnet_cbpc.recipe.ledger import Ledger, State
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError

CONFIG = {"optim_conf": {"lr": 1e-3}, "max_epoch": 3}


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """What version 0.1 has left, with the steps of now."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "exp/.stages/asr_x.done": "0123\n",
        "exp/.stages/enh_y.begun": "4567\n",
        "exp/.stages/inference_sys_decode.done": "89ab\n",
        "exp/.stages/score_enh_noisy_speech.done": "cdef\n",
        "exp/asr_x/config.yaml": "optim_conf: {lr: '1e-3', eps: 1.0}\nmax_epoch: 9\nngpu: 0\n",
        "exp/enh_y/checkpoint.pth": "",
        "exp/sys/decode/test/text": "",
        "exp/noisy_scores/test/score_enh/x": "",
        "conf/tokenizer_kmeans.yaml": "",
        "conf/train_enh_asr_cbpc.yaml": "",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    args = ["--max_epoch", "9"]
    made = [
        Step("asr_x", {"asr_config": CONFIG, "asr_args": args}, (Path("exp/asr_x"),), None,
             is_training=True),
        Step("enh_y", {"enh_config": {}}, (Path("exp/enh_y"),), None, is_training=True),
        Step("inference_test", {}, (Path("exp/sys/decode/test"),), None),
        Step("score_enh", {}, (Path("exp/noisy_scores/test/score_enh"),), None),
        Step("pack", {}, (Path("exp/enh_asr_z/packed"),), None),
    ]  # fmt: skip
    monkeypatch.setattr(adoption, "all_steps", lambda recipe: [(1, step) for step in made])
    return made


def check(**options):
    ledger = Ledger(Digests(Path("exp/.steps/digests.json")))
    check_version_0_1(Recipe(RecipeOptions(**options)), ledger)
    return ledger


def test_they_are_refused_unless_asked_for(steps):
    with pytest.raises(UserError, match="exp was made by version 0.1.*--adopt"):
        check()
    assert Path("exp/.stages/asr_x.done").exists() and not Path("exp/.steps").exists()


def test_looking_takes_nothing_over(steps):
    with pytest.raises(UserError, match="exp was made by version 0.1"):
        check_version_0_1(Recipe(RecipeOptions(adopt=True)), None)
    assert Path("exp/.stages").is_dir()


def test_what_was_done_or_begun_is_taken_over(steps):
    ledger = check(adopt=True)
    states = [ledger.status(step).state for step in steps]
    done, begun = State.DONE, State.INTERRUPTED
    assert states == [done, begun, done, done, State.NEW]
    assert len(list(Path("exp").glob(".stages.adopted.*/asr_x.done"))) == 1
    check()  # from now on an experiment like any other


@pytest.mark.parametrize(
    "before, after, name",
    [("1e-3", "2e-3", "optim_conf.lr"), ("epoch: 9", "epoch: 8", "max_epoch")],
)
def test_a_model_that_was_trained_with_other_options_is_not(steps, before, after, name):
    config = Path("exp/asr_x/config.yaml")
    config.write_text(config.read_text().replace(before, after))
    with pytest.raises(UserError, match=rf"1 option.*exp are not those of now \(asr_x: {name}\)"):
        check(adopt=True)
    assert Path("exp/.stages/asr_x.done").exists()
