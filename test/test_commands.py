# SPDX-License-Identifier: Apache-2.0
"""Every command answers --help, and every public class says what it is."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "espnet_cbpc"
COMMANDS = sorted(p.stem for p in (PACKAGE / "bin").glob("*.py") if not p.stem.startswith("_"))
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))

# One process for all, since importing ESPnet takes seconds.
PROBE = """
import importlib, json, sys, traceback
help_of = lambda m: m.usage() if name == "run_recipe" else m.get_parser().format_help()
found = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(f"espnet_cbpc.bin.{name}")
        found[name] = {"help": help_of(module), "main": callable(module.main)}
    except BaseException:
        found[name] = {"error": traceback.format_exc()}
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers():
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *COMMANDS],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.split("FOUND")[-1])


@pytest.mark.parametrize("command", COMMANDS)
def test_answers_help(answers, command):
    answer = answers[command]
    assert "error" not in answer, answer["error"]
    assert answer["help"].lower().startswith("usage: ")
    assert answer["main"]


@pytest.mark.parametrize("command", COMMANDS)
def test_can_be_run_by_its_module_name(command):
    last = ast.parse((PACKAGE / "bin" / f"{command}.py").read_text(encoding="utf-8")).body[-1]
    assert isinstance(last, ast.If)
    assert ast.unparse(last.test) == "__name__ == '__main__'"
    assert "main" in ast.unparse(last.body)


def undocumented(path):
    """Yield the module and its public classes that have no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body and ast.get_docstring(tree) is None:
        yield "the module itself"
    for node in ast.walk(tree):
        is_public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if is_public and ast.get_docstring(node) is None:
            yield f"class {node.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_public_classes_are_documented(path):
    assert list(undocumented(path)) == []


def test_undocumented_classes_are_found(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""A module."""\nclass A:\n    x = 1\nclass _B:\n    x = 1\n')
    assert list(undocumented(path)) == ["class A"]


def test_files_name_their_licence():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "test").rglob("*.py"), *ROOT.glob("tools/*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    named = {path for path, text in texts.items() if "SPDX-License-Identifier: Apache-2.0" in text}
    assert len(named) > 400
    assert {path for path, text in texts.items() if text.strip()} - named == set()
