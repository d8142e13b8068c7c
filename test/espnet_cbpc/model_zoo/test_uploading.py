# SPDX-License-Identifier: Apache-2.0
"""Uploading to a hub on this machine that speaks Hugging Face's protocol as far as it is needed."""

import base64
import http.server
import json
import os
import subprocess
import sys
import zipfile

import pytest

from espnet_cbpc.bin import upload as upload_command
from espnet_cbpc.utils.cli import UserError


class Hub(http.server.BaseHTTPRequestHandler):
    """Takes a repository's creation and one commit with the files in it."""

    def do_GET(self):
        self.answer({"id": "someone/model", "siblings": [], "sha": "0" * 40, "private": False})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.calls.append((self.path, self.headers.get("Authorization"), body))
        if self.server.refuses:
            self.answer({"error": "no right to write"}, 403)
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            self.answer({"files": modes})
        elif "/commit/" in self.path:
            self.answer(
                {
                    "success": True,
                    "commitOid": "1" * 40,
                    "commitUrl": f"{self.server.url}/someone/model/commit/1",
                    "hookOutput": "",
                }
            )
        else:
            self.answer({"url": f"{self.server.url}/someone/model"})

    def answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(serving):
    with serving(Hub, calls=[], refuses=False) as server:
        yield server


@pytest.fixture
def packed(tmp_path):
    folder = tmp_path / "packed"
    folder.mkdir()
    for name in ("enh_asr", "asr", "enh"):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr("meta.yaml", f"files: {{}} # {name}")
            archive.writestr("model.pth", name)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    return folder


def committed(hub):
    body = next(body for path, _, body in hub.calls if "/commit/" in path)
    lines = [json.loads(line) for line in body.splitlines()]
    return {
        line["value"]["path"]: base64.b64decode(line["value"]["content"])
        for line in lines
        if line["key"] == "file"
    }


def run_upload(hub, packed):
    command = [sys.executable, "-m", "espnet_cbpc.bin.upload", "--packed", str(packed)]
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [*command, "--repo", "someone/model"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_the_joint_model_its_parts_and_the_card_are_committed(hub, packed):
    done = run_upload(hub, packed)
    assert done.returncode == 0, done.stderr
    files = committed(hub)
    assert files.keys() == {
        *("README.md", "meta.yaml", "model.pth", "enh_asr.zip", "asr.zip", "enh.zip")
    }
    assert files["model.pth"] == b"enh_asr"  # what from_pretrained finds is the joint model
    assert files["enh.zip"] == (packed / "enh.zip").read_bytes()
    assert all(authorization == "Bearer hf_secret" for _, authorization, _ in hub.calls)
    created = next(json.loads(body) for path, _, body in hub.calls if path == "/api/repos/create")
    assert (created["organization"], created["name"]) == ("someone", "model")
    assert f"uploaded: {hub.url}/someone/model/commit/1" in done.stderr


def test_a_refusal_is_one_message(hub, packed):
    hub.refuses = True
    done = run_upload(hub, packed)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: someone/model: cannot be uploaded (") and "403" in last
    assert "HF_TOKEN holds a token with write access" in last


def test_dry_run_and_nothing_to_upload(packed, tmp_path):
    out = tmp_path / "dry"
    options = ["--repo", "someone/model", "--dry_run", str(out)]
    upload_command.main(["--packed", str(packed), *options])
    assert (out / "model.pth").read_text() == "enh_asr" and (out / "README.md").is_file()
    (packed / "README.md").unlink()
    with pytest.raises(UserError, match="holds no export .*make one with espnet_cbpc.bin.export"):
        upload_command.main(["--packed", str(packed), "--repo", "a/b", "--dry_run", str(out)])
