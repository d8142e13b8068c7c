# SPDX-License-Identifier: Apache-2.0
"""Every page: its commands are understood, its links lead somewhere, its Python can be imported."""

import ast
import importlib
import re
import runpy
import shlex

import pytest
from readme_pages import PAGES, ROOT, blocks, commands, named

from espnet_cbpc.cli import VERBS
from espnet_cbpc.recipe.options import parse

COMMANDS = [(page, line) for page in PAGES for line in commands(page) if "<" not in line]
MODULE = re.compile(r"python -m (espnet_cbpc\.bin\.\w+) (.*)")
# What a shell or another package brings; the examples after such a word are not ours.
NAMES = "--train_set train --valid_set dev --test_sets test".split()
OTHERS = {"cd", "pre-commit", "export", "pip", "results()", "echo"}


def place(page, name):
    """Return a file that a page names: beside it, or in the root."""
    found = [folder / name for folder in (page.parent, ROOT) if (folder / name).is_file()]
    assert found, f"{name}: no such file"
    return found[0]


def given(script):
    """Return the options that a recipe's script gives before those of the command line."""
    text = script.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r'^exec (.*) "\$@"$', text, re.M)
    called, *words = shlex.split(line)
    pairs = zip(words, [*words[1:], ""])  # but for options whose value a variable has
    words = [word for word, value in pairs if not (word.startswith("--") and "$" in value)]
    words = [*NAMES, *(word for word in words if "$" not in word)]
    return words if called == "./enh_asr_cbpc.sh" else [*given(script.with_name("run.sh")), *words]


def test_all_pages_are_found():
    assert {"README.md", "conf/README.md", "egs2/chime4/enh_asr_cbpc1/README.md"} <= {
        *map(named, PAGES)
    }
    assert len(COMMANDS) > 60


@pytest.mark.parametrize(
    "page, line", COMMANDS, ids=lambda x: x if isinstance(x, str) else named(x)
)
def test_commands_are_understood(page, line, monkeypatch):
    line = line.replace('"$(tools/setup_env.sh)/espnet-cbpc"', "espnet-cbpc")
    module = MODULE.fullmatch(line)
    words = shlex.split(re.sub(r"(--enhanced \w+=)\S+", r"\1.", line))  # made by a command before
    if module or words[0] == "espnet-cbpc":
        name, words = (module[1], shlex.split(module[2])) if module else (
            VERBS[words[1]].module, words[2:])  # fmt: skip
        if (
            "enh_asr_cbpc_train" in name
        ):  # which a recipe has made, and the parser of ESPnet would read
            at = words.index("--config")
            words[at : at + 2] = []
        monkeypatch.chdir(page.parent)
        assert importlib.import_module(name).get_parser().parse_args(words)
    elif words[0].endswith((".sh", ".py", "run")) and "=" not in words[0]:
        script = place(page, words[0].replace("${egs2}", "../../../egs2/mini_synth/enh_asr_cbpc1"))
        assert script.stat().st_mode & 0o111, f"{script} is not executable"
        if script.name in ("run.sh", "compare.sh"):
            monkeypatch.chdir(script.parent)
            parse([*given(script), *words[1:]])
    elif words[0] == "python" and words[1] != "-m":
        assert place(page, words[1])
    else:
        assert words[0] in OTHERS or words[:2] == ["python", "-m"] or "=" in words[0], line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}, (
                target
            )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:egs[23]|tools|conf|test|espnet_cbpc)/[\w./-]+)`", text):
        if name != "tools/venv" and not re.search("my_|NAME", name) and page.name != "CHANGELOG.md":
            assert (ROOT / name).exists() or (page.parent / name).exists(), name


@pytest.mark.parametrize(
    "page, code", [(page, code) for page in PAGES for code in blocks(page, "python")],
    ids=lambda x: named(x) if not isinstance(x, str) else "",
)  # fmt: skip
def test_python_imports_what_is_there(page, code):
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    for node in found:
        assert all(hasattr(importlib.import_module(node.module), a.name) for a in node.names)


def test_extras_that_are_named_exist(monkeypatch):
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named_ones = re.findall(r"pip install (?:-e )?['\"](?:espnet-cbpc|\.)\[([\w,]+)\]", text)
    assert {x for names in named_ones for x in names.split(",")} <= {*given["extras_require"]}
    assert len(named_ones) > 5
