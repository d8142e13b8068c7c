# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package: what may import what."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "espnet_cbpc"

# What each room may import, beside itself: the rooms below it.
BOTTOM = {"utils", "compat", "data"}
MODEL = BOTTOM | {"tokenizer", "loss"}
TASKS = MODEL | {"model"}
MODEL_ZOO = TASKS | {"tasks"}
INFERENCE = MODEL_ZOO | {"model_zoo"}
REPORT = INFERENCE | {"inference", "scoring"}
ALLOWED = {
    "utils": set(),
    "versions": {"utils"},
    "compat": {"utils"},
    "data": {"utils"},
    "tokenizer": BOTTOM,
    "loss": BOTTOM,
    "model": MODEL,
    "tasks": TASKS,
    "model_zoo": MODEL_ZOO,
    "inference": INFERENCE,
    "scoring": BOTTOM,
    "html_report": REPORT,
    "recipe": REPORT | {"html_report"},
    "espnet3": REPORT,
    "demo": REPORT | {"html_report"},
    "bin": REPORT | {"html_report", "recipe", "versions", "demo"},
    "cli": {"utils"},  # it imports a verb's module, of bin, once that is asked for
}
IN_DATA = ("audio", "array", "kaldi", "mixing", "noisy_sets")  # each may import those before it


def imports(path):
    """The modules of this package that a file imports, also within functions: (line, parts)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            # of a package, a name may be a module; further parts than the module's do no harm
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package == PACKAGE.name and parts and parts != ["__version__"]:
                yield node.lineno, parts


def upward(room, is_allowed):
    """Imports of a room's files that are not allowed, as ``file:line imports module``."""
    for path in sorted([*PACKAGE.glob(f"{room}.py"), *PACKAGE.glob(f"{room}/**/*.py")]):
        for line, parts in imports(path):
            if not is_allowed(parts):
                yield f"{path.relative_to(PACKAGE)}:{line} imports {'.'.join(parts)}"


def test_every_room_has_its_place():
    found = [path for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"]
    rooms = {path.stem for path in found if not path.name.startswith("__")}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_run_downwards(room):
    allowed = ALLOWED[room] | {room}
    assert list(upward(room, lambda parts: parts[0] in allowed)) == []


@pytest.mark.parametrize("place", range(len(IN_DATA)))
def test_imports_within_data_run_downwards(place):
    below = IN_DATA[: place + 1]

    def is_allowed(parts):
        return parts[0] != "data" or parts[1] in below

    assert list(upward(f"data/{IN_DATA[place]}", is_allowed)) == []
