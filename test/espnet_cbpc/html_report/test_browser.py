# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: it fits a phone, fetches nothing, plays its audio."""

import functools
import http.server
import json
import queue
import re
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REFUSED = "Content Security Policy directive"  # the console, of what the page's policy forbids
# Without scripts of its own, the page is asked from outside: by the one that has it in a frame.
ASKING = """<!DOCTYPE html><body><iframe src="page.html" width="{width}" height="800"></iframe>
<script>
onload = async () => {{
  const page = document.querySelector("iframe").contentWindow, root = page.document;
  root.querySelectorAll("details").forEach((e) => (e.open = true));
  const clips = [...root.querySelectorAll("audio")];
  const loaded = clips.map((clip) => new Promise((done) => {{
    clip.onloadedmetadata = () => done(clip.duration);
    clip.onerror = () => done(null);
    clip.preload = "metadata";
    clip.load();
  }}));
  const durations = await Promise.all(loaded);
  fetch("answer", {{method: "POST", body: JSON.stringify({{
    width: page.innerWidth,
    content: root.documentElement.scrollWidth,
    broken: [...root.images].filter((e) => !e.naturalWidth).length,
    images: root.images.length,
    durations,
  }})}});
}};
</script>"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("SKIPPED: no Chromium on PATH (Debian: apt install chromium)")
    return found


class Handler(http.server.SimpleHTTPRequestHandler):
    """Hands out the pages, and takes the answer: it comes when the browser has it, however late."""

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        self.server.answers.put(json.loads(self.rfile.read(size)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def ask(browser, serving, tmp_path):
    """Function: what the browser finds in a page that is so many pixels wide."""

    def answer(page, width):
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        (tmp_path / "asking.html").write_text(ASKING.format(width=width), encoding="utf-8")
        log = tmp_path / "browser.log"
        handler = functools.partial(Handler, directory=str(tmp_path))
        with serving(handler, answers=queue.Queue()) as server, log.open("w") as output:
            command = [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0",
                f"{server.url}/asking.html",
            ]  # fmt: skip
            process = subprocess.Popen(command, stdout=output, stderr=output)
            try:
                found = server.answers.get(timeout=300)
            except queue.Empty:
                pytest.fail(f"no answer from the browser: {log.read_text()[-2000:]}")
            finally:
                process.kill()  # asked to end, Chromium may take five minutes over it
                process.wait()
        found["refused"] = log.read_text().count(REFUSED)
        return found

    return answer


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_its_width_and_shows_and_plays_all(ask, page, width):
    found = ask(page.read_text(encoding="utf-8"), width)
    assert found["width"] == width and found["content"] <= width
    assert found["refused"] == 0  # so nothing is fetched: its policy lets data: URIs through alone
    assert found["images"] > 20 and found["broken"] == 0
    assert found["durations"] and all(d == pytest.approx(0.5) for d in found["durations"])


def test_the_questions_find_faults(ask, page):
    policy = re.search('<meta http-equiv="Content-Security-Policy"[^>]*>', page.read_text())[0]
    faulty = f"""<!DOCTYPE html><html><head>{policy}</head><body>
    <div style="width: 500px">x</div><img src="http://localhost/a.png">
    <audio src="data:audio/flac;base64,AA"></audio></body></html>"""
    found = ask(faulty, 390)
    assert found["content"] >= 500 and found["broken"] == 1 and found["durations"] == [None]
    assert found["refused"] > 0
