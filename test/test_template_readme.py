"""The page on one's own data: its commands exist and take the options that it names."""

import importlib
import re
import runpy
import shlex
from pathlib import Path

import pytest

from espnet_cbpc.cli import VERBS
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "README.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"^```bash\n(.*?)^```", README, re.M | re.S)
         for line in block.splitlines()]  # fmt: skip


@pytest.mark.parametrize("line", [line for line in LINES if "python -m" in line])
def test_modules_are_understood(line):
    words = shlex.split(line.split("python -m ")[1].rstrip('"'), comments=True)
    parser = importlib.import_module(words[0]).get_parser()
    assert parser.parse_args(words[1:])


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("espnet-cbpc")])
def test_commands_are_understood(line):
    _, verb, *words = shlex.split(line, comments=True)
    parser = importlib.import_module(VERBS[verb].module).get_parser()
    assert parser.parse_args(words)


def test_extras_that_are_named_exist(repository, monkeypatch):
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **options: given.update(options))
    runpy.run_path(str(repository / "setup.py"))
    named = re.findall(r"'espnet-cbpc\[([\w,]+)\]'", README)
    assert named and {x for names in named for x in names.split(",")} <= {*given["extras_require"]}


def test_options_of_stage_1_are_understood():
    (options,) = re.findall(r'--local_data_opts "(.*?)"', README)
    parser = importlib.import_module("espnet_cbpc.bin.prepare_noisy_corpus").get_parser()
    args = parser.parse_args(["--speech", "s", "--noise", "n", *options.split()])
    assert args.test_speakers == ["ann", "bob"] and args.test_snrs == [0, 10]


def test_messages_about_directories_are_those_that_come(tmp_path):
    (tmp_path / "wav.scp").write_text("b b.wav\na a.wav\na a.wav\n")
    (tmp_path / "utt2spk").write_text("b s\n")
    (tmp_path / "utt2category").write_text("a SIMU\nb SIMU\n")
    _, faults = DataDir.examine(tmp_path, require_text=False)
    messages = re.findall(r"^\| `(\.\.\. .*?)` \|", README, re.M)
    assert len(messages) == 5
    for message in messages[:4]:  # the last one is not about directories
        pattern = re.escape(message).replace(r"\.\.\.", ".*")
        assert any(re.search(pattern, fault) for fault in faults), message


def test_files_that_are_named_exist():
    for name in re.findall(r"^(egs2/\S+)", "\n".join(LINES), re.M):
        assert (ROOT / name).exists()
