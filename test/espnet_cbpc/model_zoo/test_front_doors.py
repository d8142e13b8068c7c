# SPDX-License-Identifier: Apache-2.0
"""What ESPnet's own front doors make of our archives and model cards, without this package.

``espnet.load`` and ``espnet enhance`` came with ESPnet 202611.
"""

import hashlib
import http.server
import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_cbpc.bin import export as export_command
from espnet_cbpc.model_zoo.uploading import gather

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espnet2.bin.cli") is None,
    reason="SKIPPED: espnet.load and the espnet command are of ESPnet 202611",
)
BEGIN = """
import importlib.util, json, sys
assert importlib.util.find_spec("espnet_cbpc") is None, "the plugin is here"
import numpy as np
from espnet_model_zoo.downloader import ModelDownloader
ModelDownloader.__init__.__defaults__ = ("cache",)  # not into the packages of this machine
import espnet
speech = np.load("speech.npy")
"""
# Archives, by path.
ARCHIVES = """
joint = espnet.load("enh_asr.zip", task="asr", enh_s2t_task=True, device="cpu")
enhanced = espnet.load("enh.zip", task="enh", device="cpu")(speech[None], 8000)[0][0]
alone = espnet.load("asr.zip", task="asr", device="cpu")
np.save("enhanced.npy", enhanced)
json.dump([joint(speech)[0][0][0], alone(enhanced)[0][0]], open("texts.json", "w"))
from espnet2.bin.cli import main
sys.exit(main(["enhance", "noisy.wav", "--model", "enh.zip", "-o", "clean.wav", "--device", "cpu"]))
"""
# Repositories, whose model cards say what they are for.
TAGS = """
enhance = espnet.load("someone/enh", device="cpu")
recognise = espnet.load("someone/asr", device="cpu")
json.dump([type(enhance).__name__, type(recognise).__name__], open("classes.json", "w"))
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves the folders of ``server.root`` as repositories of Hugging Face."""

    def do_GET(self):
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            answer = self.tree if "tree" in parts else self.info
            content = answer(parts[2], parts[3], self.server.root / parts[3])
            self.send(json.dumps(content).encode(), "application/json")
        else:  # <user>/<name>/resolve/<revision>/<file>
            path = self.server.root.joinpath(*parts[1:2], *parts[4:])
            self.send(path.read_bytes()) if path.is_file() else self.send_error(404)

    do_HEAD = do_GET

    def info(self, user, name, folder):
        card = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
        files = [{"rfilename": file["path"]} for file in self.tree(user, name, folder)]
        info = {"id": f"{user}/{name}", "sha": "0" * 40, "siblings": files, "tags": card["tags"]}
        return {**info, "pipeline_tag": card["pipeline_tag"]}

    def tree(self, user, name, folder):
        return [
            {
                "type": "file",
                "path": str(p.relative_to(folder)),
                "size": p.stat().st_size,
                "oid": "",
            }
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        ]

    def send(self, content, kind="application/octet-stream"):
        self.send_response(200)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": len(content),
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": "0" * 40,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def exported(joint_experiment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("front_doors")
    joint_experiment(folder / "exp")
    export_command.main(["--expdir", str(folder / "exp"), "--outdir", str(folder / "out")])
    speech = 0.1 * np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    np.save(folder / "out" / "speech.npy", speech)
    soundfile.write(folder / "out" / "noisy.wav", speech, 8000, "FLOAT")
    return folder


def run(python, code, folder: Path, **environment):
    fixed = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        cwd=folder / "out",
        env={**fixed, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_archives_are_loaded_by_path(exported, stock_python):
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    out, exp = exported / "out", exported / "exp"
    run(stock_python, ARCHIVES, exported)
    ours = EnhSpeech2Text(exp / "config.yaml", exp / "valid.loss_asr.ave.pth")
    text, wave = ours(np.load(out / "speech.npy"))
    assert json.loads((out / "texts.json").read_text()) == [text, text] and text
    np.testing.assert_allclose(np.load(out / "enhanced.npy"), wave, atol=1e-5)
    clean, fs = soundfile.read(out / "clean.wav")
    assert fs == 8000
    np.testing.assert_allclose(clean, wave.clip(-1, 1), atol=2 / 2**15)  # of 16 bits


def test_repositories_are_loaded_by_what_their_cards_say(exported, stock_python, serving, tmp_path):
    for part in ("asr", "enh"):
        gather(exported / "out", tmp_path / part, part)
    with serving(Hub, root=tmp_path) as hub:
        run(stock_python, TAGS, exported, HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1")
    classes = json.loads((exported / "out" / "classes.json").read_text())
    assert classes == ["SeparateSpeech", "Speech2Text"]
