"""The page in a browser: it fits a phone, fetches nothing, plays its audio."""

import json
import re
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REFUSED = "Content Security Policy directive"  # the console, of what the page's policy forbids
# Without scripts of its own, the page is asked from outside: by the one that has it in a frame.
ASKING = """<!DOCTYPE html><body><iframe src="page.html" width="{width}" height="800"></iframe>
<script>
const answer = (found) => {{
  const pre = document.createElement("pre");
  pre.id = "answer";
  pre.textContent = JSON.stringify(found);
  document.body.append(pre);
}};
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
  answer({{
    width: page.innerWidth,
    content: root.documentElement.scrollWidth,
    broken: [...root.images].filter((e) => !e.naturalWidth).length,
    images: root.images.length,
    durations,
  }});
}};
</script>"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("SKIPPED: no Chromium on PATH (Debian: apt install chromium)")
    return found


def ask(browser, folder, page, width):
    """Return what the browser finds in a page that is so many pixels wide."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "asking.html").write_text(ASKING.format(width=width), encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000", "--dump-dom",
        "--enable-logging=stderr",
        (folder / "asking.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    answer = re.search(r'<pre id="answer">(.*)</pre>', done.stdout)
    assert answer, done.stdout[-500:] + done.stderr[-2000:]
    found = json.loads(answer[1].replace("&amp;", "&"))
    found["refused"] = done.stderr.count(REFUSED)
    return found


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_its_width_and_shows_and_plays_all(browser, page, tmp_path, width):
    found = ask(browser, tmp_path, page.read_text(encoding="utf-8"), width)
    assert found["width"] == width and found["content"] <= width
    assert found["refused"] == 0  # so nothing is fetched: its policy lets data: URIs through alone
    assert found["images"] > 20 and found["broken"] == 0
    assert found["durations"] and all(d == pytest.approx(0.5) for d in found["durations"])


def test_the_questions_find_faults(browser, page, tmp_path):
    policy = re.search('<meta http-equiv="Content-Security-Policy"[^>]*>', page.read_text())[0]
    faulty = f"""<!DOCTYPE html><html><head>{policy}</head><body>
    <div style="width: 500px">x</div><img src="http://localhost/a.png">
    <audio src="data:audio/flac;base64,AA"></audio></body></html>"""
    found = ask(browser, tmp_path, faulty, 390)
    assert found["content"] >= 500 and found["broken"] == 1 and found["durations"] == [None]
    assert found["refused"] > 0
