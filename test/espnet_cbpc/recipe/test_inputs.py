# SPDX-License-Identifier: Apache-2.0
"""What counts as a change of an input, and what does not."""

import os
from pathlib import Path

import pytest

from espnet_cbpc.recipe.inputs import (
    Data,
    Digests,
    File,
    Files,
    Missing,
    Model,
    Scripts,
    differences,
    local_model,
    resolve,
)
from espnet_cbpc.recipe.layout import name_of_model

SCRIPT = """#!/usr/bin/env bash
# A comment.
set -euo pipefail

exec python local/prepare.py --lists local/lists/train.txt "$@"
"""
PREPARE = 'import helper  # one of ours\nimport json\n\nTEXT = """\n# no comment\n"""\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local" / "lists").mkdir(parents=True)
    for name, text in {
        "data.sh": SCRIPT,
        "prepare.py": PREPARE,
        "helper.py": "X = 1\n",
        "lists/train.txt": "a\n",
        "unrelated.py": "Y = 1\n",
    }.items():
        (tmp_path / "local" / name).write_text(text)
    return tmp_path


def value(an_input):
    return resolve({"it": an_input}, Digests(Path("memory.json")))["it"]


@pytest.mark.parametrize(
    "name, text, counts",
    [
        ("data.sh", SCRIPT.replace("# A comment.", "# Another.\n\n"), False),
        ("data.sh", SCRIPT.replace('"$@"', '--seed 1 "$@"'), True),
        ("prepare.py", PREPARE.replace("  # one of ours", ""), False),
        ("prepare.py", PREPARE + "print(1)\n", True),
        ("helper.py", "X = 2\n", True),
        ("lists/train.txt", "b\n", True),
        ("unrelated.py", "Y = 2\n", False),
        ("new.py", "Z = 1\n", False),
    ],
)
def test_of_scripts_what_they_do_counts(folder, name, text, counts):
    before = value(Scripts("local/data.sh"))
    (folder / "local" / name).write_text(text)
    assert (value(Scripts("local/data.sh")) != before) == counts


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    Path("audio/a.wav").write_bytes(b"0123456789")
    corpus = tmp_path / "corpus.wav"
    corpus.write_bytes(b"abcdefghij")
    Path("data/train").mkdir(parents=True)
    Path("data/train/wav.scp").write_text(f"a audio/a.wav\nb {corpus}\n")
    Path("data/train/text").write_text("a one\nb two\n")
    return Path("data/train")


def test_of_data_tables_and_audio_count(data):
    first = value(Data(data))
    assert set(first) == {"wav.scp", "text", "audio of wav.scp"}
    (data / "README").write_text("nothing reads this")
    (data / "backup").mkdir()
    assert value(Data(data)) == first
    (data / "text").write_text("a one\nb three\n")
    assert differences(first, value(Data(data)), "data") == ["data.text: content changed"]
    (data / "text").write_text("a one\nb two\n")
    assert value(Data(data)) == first


def test_audio_that_is_written_again_counts_by_its_content(data):
    first, scp = value(Data(data)), data / "wav.scp"
    lines = scp.read_text()
    Path("audio/a.wav").write_bytes(b"0123456789")
    scp.write_text(lines)
    assert value(Data(data)) == first
    Path("audio/a.wav").write_bytes(b"0123456780")
    scp.write_text(lines)
    assert differences(first, value(Data(data))) == ["audio of wav.scp: content changed"]


def test_a_recording_that_is_gone_is_named(data):
    Path("audio/a.wav").unlink()
    with pytest.raises(Missing, match=r"audio/a.wav: no such file .*data/train/wav.scp lists it"):
        value(Data(data))
    with pytest.raises(Missing, match="data/dev: no such file"):
        value(Data("data/dev"))


def test_of_a_model_weights_and_values_of_the_configuration_count(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\nb: 2\n")
    (tmp_path / "model.pth").write_bytes(b"weights")
    first = value(Model(tmp_path, "model.pth"))
    (tmp_path / "config.yaml").write_text("# a comment\nb: 2\na: 1\n")
    assert value(Model(tmp_path, "model.pth")) == first
    (tmp_path / "config.yaml").write_text("a: 1\nb: 3\n")
    assert value(Model(tmp_path, "model.pth")) != first
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(Missing, match="config.yaml"):
        value(Model(tmp_path, "model.pth"))


def test_files_are_read_once(tmp_path, monkeypatch):
    path, memory = tmp_path / "a", tmp_path / "memory.json"
    path.write_text("text")
    digests = Digests(memory)
    first = digests.file(path)
    digests.save()
    monkeypatch.setattr("espnet_cbpc.recipe.inputs.file_digest", None)
    assert Digests(memory).file(path) == first
    os.utime(path, ns=(1, 1))
    with pytest.raises(TypeError):
        Digests(memory).file(path)


def test_a_damaged_memory_is_none(tmp_path):
    (tmp_path / "memory.json").write_text('{"a": [1')
    (tmp_path / "a").write_text("text")
    assert len(Digests(tmp_path / "memory.json").file(tmp_path / "a")) == 32


def test_of_a_folder_the_named_files_count(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "text").write_text("a one\n")
    (tmp_path / "x" / "train.log").write_text("log")
    assert list(value(Files(tmp_path, ("*/text",)))) == ["x/text"]


def test_differences_are_short():
    old, new = (
        {"a": {"b": 1}, "c": "x" * 100, "gone": {}},
        {"a": {"b": 2}, "c": "y", "new": {"z": 1}},
    )
    assert differences(old, new) == [
        "a.b: 2 (was 1)",
        f"c: y (was {'x' * 57}...)",
        "gone: removed",
        "new: added",
    ]
    assert differences({"f": File("x")}, {"f": File("x")}) == []


def test_a_checkpoint_of_whisper_is_an_input_and_a_name_is_none(folder):
    checkpoint = folder / "small.pt"
    checkpoint.write_bytes(b"weights")
    for model in ("small.pt", "whisper:small.pt"):
        assert [path.resolve() for path in local_model(model)] == [checkpoint]
    assert local_model("whisper:small") == []
    assert name_of_model("whisper:small.pt") == name_of_model("whisper:small") == "whisper-small"
    assert name_of_model("whisper:small:de:translate") == "whisper-small-de-translate"
