# SPDX-License-Identifier: Apache-2.0
"""What others do not promise to keep is touched in one room, by pieces proven on this release."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import espnet_cbpc
from espnet_cbpc import compat
from espnet_cbpc.compat.releases import espnet_release

PACKAGE = Path(espnet_cbpc.__file__).parent
# What ESPnet shows to those who extend it: tasks, models, commands, and how their options are made.
PUBLIC = re.compile(
    r"espnet2\.(tasks(\.\w+)?|bin\.\w+|asr\.espnet_model|enh\.espnet(_enh_s2t)?_model"
    r"|train\.(class_choices|preprocessor)|iterators\.abs_iter_factory|torch_utils\.device_funcs"
    r"|utils\.(types|nested_dict_action|get_default_kwargs))"
    r"|espnet3\.(contract|components\.data\.base_dataset)"
)
HOSTS = ("espnet", "espnet2", "espnet3", "espnetez", "torch", "torchaudio", "typeguard")
# Private by their look, and documented: of named tuples, of os, of ctypes' libraries.
DOCUMENTED = {"_asdict", "_replace", "_fields", "_exit", "_handle"}


def private_uses(code):
    """Yield what a piece of code uses that its makers do not promise to keep."""
    tree = ast.parse(code)
    own = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    own |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_self(n.value)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (name for name in imported(node) if not is_public(name))
        elif (
            isinstance(node, ast.Attribute)
            and is_private(node.attr)
            and not is_self(node.value)
            and node.attr not in DOCUMENTED | own
        ):
            yield node.attr


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if any(is_private(alias.name) for alias in node.names):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [node.module or ""]


def is_public(module):
    parts = module.split(".")
    if parts[0] not in HOSTS:
        return True
    if parts[0].startswith("espnet"):
        return bool(PUBLIC.fullmatch(module)) and not any(map(is_private, parts))
    return parts[0] != "typeguard" and not any(map(is_private, parts))


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


@pytest.mark.parametrize(
    "code, found",
    [
        ("import typeguard", ["typeguard"]),
        ("from espnet.nets.beam_search import BeamSearch", ["espnet.nets.beam_search"]),
        ("from espnet2.legacy.nets import x", ["espnet2.legacy.nets"]),
        ("import torch._dynamo", ["torch._dynamo"]),
        ("from torch.nn import _reduction", ["torch.nn._reduction"]),
        ("speech2text._decode_single_sample(x)", ["_decode_single_sample"]),
        ("from espnet2.tasks.asr import ASRTask", []),
        ("class A:\n def __init__(self):\n  self._b = 1\nA()._b", []),
    ],
)
def test_what_counts_as_private(code, found):
    assert list(private_uses(code)) == found


def test_only_this_room_uses_what_is_private():
    files = [p for p in PACKAGE.rglob("*.py") if PACKAGE / "compat" not in p.parents]
    assert len(files) > 100
    found = {
        f"{path.relative_to(PACKAGE)}: {use}"
        for path in files
        for use in private_uses(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(compat.__path__)])
def test_each_piece_is_proven_on_this_release(name):
    piece = importlib.import_module(f"espnet_cbpc.compat.{name}")
    assert espnet_release() in piece.PROVEN_ON
