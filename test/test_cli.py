# SPDX-License-Identifier: Apache-2.0
"""The command espnet-cbpc: verbs, help, errors, completion."""

import argparse
import importlib
import os
import resource
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest

from espnet_cbpc import cli
from espnet_cbpc.utils.cli import UserError

VERBS = list(cli.VERBS)


def espnet_cbpc(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "espnet_cbpc", *words], capture_output=True, text=True, **options
    )


@pytest.fixture
def verb(monkeypatch):
    """Function: put a module in the place of a verb's."""

    def replace(name, **functions):
        monkeypatch.setitem(sys.modules, "stand_in", SimpleNamespace(**functions))
        monkeypatch.setitem(cli.VERBS, name, cli.VERBS[name]._replace(module="stand_in"))

    return replace


def test_help_has_a_sentence_and_an_example_of_each_verb():
    text = espnet_cbpc("--help", check=True).stdout
    assert text == espnet_cbpc(check=True).stdout
    for name, verb in cli.VERBS.items():
        assert f"\n  {name} " in text and verb.sentence in text and verb.example in text
        assert verb.sentence[0].isupper() and verb.sentence.endswith(".")
        assert verb.example.startswith(f"espnet-cbpc {name}")


def test_help_takes_less_than_half_a_second_of_computing():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    espnet_cbpc("--help", check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_imports_the_standard_library_alone():
    code = "import sys; from espnet_cbpc import cli; cli.main(['--version'])"
    probe = f"import atexit, sys\natexit.register(lambda: print(*sys.modules))\n{code}"
    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    version, modules = said.stdout.splitlines()
    assert version == "espnet-cbpc " + importlib.import_module("espnet_cbpc").__version__
    ours = [name for name in modules.split() if name.startswith("espnet_cbpc.")]
    assert sorted(ours) == [
        *("espnet_cbpc.cli", "espnet_cbpc.utils"),
        *("espnet_cbpc.utils.cli", "espnet_cbpc.utils.extras"),
    ]
    assert not {"numpy", "yaml", "torch", "typeguard"} & set(modules.split())


@pytest.mark.parametrize("name", [name for name in VERBS if name != "train"])
def test_examples_are_understood(name):
    verb = cli.VERBS[name]
    parser = importlib.import_module(verb.module).get_parser()
    assert parser.parse_args(shlex.split(verb.example)[2:])


@pytest.mark.parametrize(
    "name, near", [("trancribe", "did you mean 'transcribe'? "), ("xyzzy", "")]
)
def test_an_unknown_verb_is_told_with_the_nearest(name, near):
    with pytest.raises(UserError, match=f"^no verb '{name}': {near}".replace("?", r"\?")):
        cli.call(name, [])


def test_an_error_is_one_line_and_a_status():
    done = espnet_cbpc("validate", "/no/such/folder")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: /no/such/folder: no such data directory\n"


def test_a_model_that_is_not_there_is_told(tmp_path):
    words = ("enhance", "a.wav", "--model", "./no.zip", "--output_dir", str(tmp_path / "out"))
    done = espnet_cbpc(*words)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: ./no.zip: no such file or folder: give a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_verb_is_called_with_the_words_that_follow(verb, monkeypatch):
    called = []
    verb("score", main=called.append)
    monkeypatch.setattr(sys, "argv", ["unchanged"])
    cli.main(["score", "a b", "--nj", "2"])
    assert called == [["a b", "--nj", "2"]]
    assert sys.argv == ["espnet-cbpc score", "a b", "--nj", "2"]


def test_help_of_a_verb_says_what_it_does_with_an_example(verb, monkeypatch, capsys):
    verb("score", get_parser=lambda: argparse.ArgumentParser(description="What it does."))
    monkeypatch.setattr(sys, "argv", ["unchanged"])
    cli.main(["score", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: espnet-cbpc score [-h]\n\nWhat it does.\n")
    assert " ".join(text.split()).endswith(f"Example: {cli.VERBS['score'].example}")


def test_completion_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[completion\]'$"):
        cli.completion("bash")


@pytest.mark.slow  # imports what every verb's options need
def test_completion_of_verbs_options_and_files(tmp_path):
    pytest.importorskip("shtab", reason="SKIPPED: pip install 'espnet-cbpc[completion]'")
    script = tmp_path / "completion.bash"
    script.write_text(espnet_cbpc("--print_completion", "bash", check=True).stdout)
    ask = (
        '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "$(complete -p espnet-cbpc | sed 's/.*-F \\([^ ]*\\) .*/\\1/') espnet-cbpc; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def completed(*words):
        command = ["bash", "-c", ask, str(script), "espnet-cbpc", *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
        ).stdout.split()

    assert completed("tr") == ["transcribe", "train"]
    assert completed("validate", "--fi") == ["--fix", "--fix_drop"]
    assert "--contrastive_criterions" in completed("train", "--contrastive")
