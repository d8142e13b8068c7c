"""What the tests of recipes share: a copy of all recipes to run in."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the recipes that uses the Python environment of this test."""
    root = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("data", "dump", "exp", "downloads", "RESULTS.md")
    shutil.copytree(ROOT / "egs2", root / "egs2", symlinks=True, ignore=ignore)
    (root / "tools").mkdir()
    setup = root / "tools" / "setup_env.sh"
    setup.write_text(f'#!/usr/bin/env bash\necho "{Path(sys.executable).parent}"\n')
    setup.chmod(0o755)
    return root
