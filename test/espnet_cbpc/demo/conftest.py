# SPDX-License-Identifier: Apache-2.0
"""A page with tiny random models, served by a process of its own, and a browser to open it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.error import URLError
from urllib.request import urlopen

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def joint_model(tmp_path_factory):
    """Return the name of a tiny joint model, and its decoding options' file."""
    import tiny_models as tiny  # here: not for tests that do without ESPnet
    from espnet2.tasks.enh_s2t import EnhS2TTask

    folder = tmp_path_factory.mktemp("joint")
    tiny.save_model(folder, "joint", EnhS2TTask, tiny.joint_options())
    (folder / "greedy.yaml").write_text("ctc_greedy: true\n")
    name = f"{folder / 'joint.yaml'},{folder / 'joint.pth'}"
    return SimpleNamespace(name=name, config=folder / "greedy.yaml", folder=folder)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def demo(joint_model, tmp_path_factory):
    """Serve the page: its address, and the folder for its temporary files.

    At the end a signal to terminate must end it, and nothing may be left in that folder.
    """
    pytest.importorskip(
        "gradio", reason="SKIPPED: gradio is not installed: pip install 'espnet-cbpc[demo]'"
    )
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [
        sys.executable, "-m", "espnet_cbpc.bin.demo", "--model", joint_model.name,
        "--config", str(joint_model.config), "--cachedir", str(folder / "cache"),
        "--port", str(port), "--num_threads", "1", "--max_megabytes", "1", "--max_seconds", "20",
    ]  # fmt: skip
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, log)
        yield SimpleNamespace(url=url, port=port, log=log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    left = {path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor")}
    assert left == set()
    assert sorted(path.name for path in folder.iterdir()) == ["cache", "log", "tmp"]


def wait_for(url, process, log):
    end = time.monotonic() + 600
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the demo ended: {log.read_text()[-2000:]}")
        try:
            with urlopen(url, timeout=10):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the demo does not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def browser():
    """Return Chromium, whose microphone is a made-up one.

    For a module alone: a process that a later test forks would keep the driver's pipe open, and
    the driver would never end.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="SKIPPED: playwright is not installed: pip install playwright"
    )
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("SKIPPED: no Chromium on PATH (Debian: apt install chromium)")
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox", *microphone])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(demo, browser):
    """Function: open the page, so many pixels wide; gives it, with ``requests`` that it makes."""
    contexts = []

    def opened(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(demo.url)
        page.wait_for_selector("#noisy input[type=file]", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
