# SPDX-License-Identifier: Apache-2.0
import pytest

from espnet_cbpc.bin import status
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def recipe(tmp_path):
    """A folder with a run.sh that notes its words, and fails if one of them is 'fail'."""
    script = tmp_path / "run.sh"
    script.write_text('#!/bin/sh\necho "$PWD $*" >said\n[ "$2" != fail ]\n')
    script.chmod(0o755)
    return tmp_path


def test_it_is_the_recipe_that_says_it(recipe):
    status.main([str(recipe), "--stage", "9"])
    assert (recipe / "said").read_text() == f"{recipe} --status --stage 9\n"


def test_the_recipe_of_the_working_directory_is_the_default(recipe, monkeypatch):
    monkeypatch.chdir(recipe)
    status.main([])
    assert (recipe / "said").read_text() == f"{recipe} --status\n"


def test_what_is_no_recipe_is_told(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path}: holds no run.sh: .*espnet-cbpc new$"):
        status.main([str(tmp_path)])


def test_a_failure_is_one(recipe):
    with pytest.raises(UserError, match=r"run.sh failed \(status 1\): see above$"):
        status.main([str(recipe), "fail"])
