# SPDX-License-Identifier: Apache-2.0
"""The folder of a new recipe: whole, by itself, and never in the place of another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_cbpc.bin import new_recipe
from espnet_cbpc.recipe.new_recipe import make_recipe
from espnet_cbpc.utils.cli import UserError


def test_it_is_whole_and_holds_no_links(tmp_path, repository):
    recipe = make_recipe(tmp_path / "deeper" / "mine")
    assert recipe == tmp_path / "deeper" / "mine"
    assert os.listdir(recipe.parent) == ["mine"]
    assert {path.name for path in recipe.iterdir()} == {
        *("run.sh", "compare.sh", "enh_asr_cbpc.sh", "path.sh", "cmd.sh", "db.sh"),
        *("README.md", "conf", "local"),
    }
    assert not [path for path in recipe.rglob("*") if path.is_symlink()]
    conf, presets = recipe / "conf", repository / "conf"
    assert {path.relative_to(conf) for path in conf.rglob("*")} == {
        path.relative_to(presets) for path in presets.rglob("*")
    }
    can_be_run = {path.name for path in recipe.rglob("*.sh") if path.stat().st_mode & 0o100}
    assert can_be_run == {"run.sh", "compare.sh", "enh_asr_cbpc.sh", "data.sh"}
    assert (recipe / "local" / "python").read_text() == f"{sys.executable}\n"


def test_its_run_sh_says_what_would_run(tmp_path):
    recipe = make_recipe(tmp_path / "mine")
    done = subprocess.run(
        [recipe / "run.sh", "--dry_run", "--stop_stage", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "would run: stage 1, data: not run yet",
        "0 of the steps of these stages are done, 1 are not",
    ]


def test_what_exists_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.sh").write_text("precious")
    with pytest.raises(UserError, match=f"^{tmp_path}/mine already exists: give another folder"):
        new_recipe.main([str(tmp_path / "mine")])
    assert (tmp_path / "mine" / "run.sh").read_text() == "precious"
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match="/link already exists"):
        make_recipe(tmp_path / "link")
    assert sorted(os.listdir(tmp_path)) == ["link", "mine"]


def test_where_nothing_can_be_written_that_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="/file/mine: cannot be created .*: choose another place"):
        make_recipe(tmp_path / "file" / "mine")


def test_the_command_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    new_recipe.main(["mine"])
    assert capsys.readouterr().out.startswith(f"made {tmp_path}/mine: name your folders SPEECH and")
    assert Path("mine", "run.sh").is_file()
