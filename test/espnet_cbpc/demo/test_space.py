# SPDX-License-Identifier: Apache-2.0
"""The folder of a Space: what Hugging Face reads, and an app that starts the demo."""

import runpy

import pytest
import yaml

from espnet_cbpc import __version__
from espnet_cbpc.bin import demo, export
from espnet_cbpc.demo import space
from espnet_cbpc.utils.cli import UserError


@pytest.fixture(autouse=True)
def gradio_version(monkeypatch):
    monkeypatch.setattr(space, "version", lambda name: {"gradio": "6.1.2"}[name])


def front_matter(folder):
    _, block, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(block)


def started(folder, monkeypatch):
    """Return the options that the app starts the demo with."""
    commands = []
    monkeypatch.setattr(demo, "main", commands.append)
    runpy.run_path(str(folder / "app.py"))
    return demo.get_parser().parse_args(commands[0])


def test_an_archive_is_brought(tmp_path, monkeypatch):
    (tmp_path / "enh_asr.zip").write_bytes(b"packed")
    folder = tmp_path / "space"
    archive = str(tmp_path / "enh_asr.zip")
    export.main(["--model", archive, "--space", str(folder), "--license", "cc-by-4.0"])
    assert (folder / "enh_asr.zip").read_bytes() == b"packed"
    assert "enh_asr.zip filter=lfs" in (folder / ".gitattributes").read_text()
    args = started(folder, monkeypatch)
    assert (args.model, args.host, args.port) == ("enh_asr.zip", "0.0.0.0", 7860)
    requirements = (folder / "requirements.txt").read_text()
    assert requirements == f"espnet-cbpc[demo]=={__version__}\n"
    meta = front_matter(folder)
    assert meta["sdk"] == "gradio" and meta["sdk_version"] == "6.1.2"
    assert meta["app_file"] == "app.py" and meta["license"] == "cc-by-4.0"
    assert "models" not in meta


def test_a_tag_is_named(tmp_path, monkeypatch):
    space.write_space(tmp_path / "space", "someone/joint@v1")
    assert started(tmp_path / "space", monkeypatch).model == "someone/joint@v1"
    assert front_matter(tmp_path / "space")["models"] == ["someone/joint"]
    names = sorted(path.name for path in (tmp_path / "space").iterdir())
    assert names == ["README.md", "app.py", "requirements.txt"]


@pytest.mark.parametrize(
    "model, message",
    [
        (".", r"\.: not a packed model"),
        ("exp/model.pth", "exp/model.pth: not a packed model"),
        ("nowhere.zip", "nowhere.zip: no such archive: pack the model first"),
    ],
)
def test_what_is_no_packed_model(tmp_path, model, message):
    with pytest.raises(UserError, match=message):
        space.write_space(tmp_path / "space", model)
    assert not (tmp_path / "space").exists()


def test_a_folder_that_holds_something_stays(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists: give --space another name"):
        space.write_space(tmp_path, "someone/joint")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "options", ["", "--model a/b", "--space s", "--model a/b --expdir e --outdir o"]
)
def test_what_export_asks_for(options):
    with pytest.raises(UserError, match="give --expdir and --outdir .*or --model and --space"):
        export.main(options.split())
