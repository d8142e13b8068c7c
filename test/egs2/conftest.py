"""What the tests of recipes share: a copy of all recipes to run in, and a quick Python for them."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINI_SYNTH = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "local"  # speech and noise for all
sys.path[:0] = [str(Path(__file__).resolve().parent), str(MINI_SYNTH)]

import warm_python  # noqa: E402


@pytest.fixture(scope="session")
def quick_bin(tmp_path_factory):
    """A directory with a ``python`` that starts at once; see warm_python.py."""
    process, folder = warm_python.start(tmp_path_factory.mktemp("warm"))
    yield folder
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def give_environment(quick_bin):
    """Function: let the recipes of a tree use that Python, or what RECIPE_BIN names instead."""

    def write(root: Path) -> None:
        setup = root / "tools" / "setup_env.sh"
        setup.parent.mkdir()
        setup.write_text(f'#!/usr/bin/env bash\necho "${{RECIPE_BIN:-{quick_bin}}}"\n')
        setup.chmod(0o755)

    return write


@pytest.fixture(scope="module")
def tree(tmp_path_factory, give_environment):
    """A copy of the recipes."""
    root = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("data", "dump", "exp", "downloads")
    shutil.copytree(ROOT / "egs2", root / "egs2", symlinks=True, ignore=ignore)
    give_environment(root)
    return root
