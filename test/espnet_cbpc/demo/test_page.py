# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: upload, text, slider; bad input; narrow screens, keyboard, no network."""

import base64
import io
import json
from urllib.request import urlopen

import numpy as np
import pytest
import soundfile

FS = 8000
ENHANCED = "#speech figure:nth-child(2) audio"


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Function: write samples to a file of this name; gives its path."""
    folder = tmp_path_factory.mktemp("audio")

    def write(name, samples):
        soundfile.write(folder / name, samples, FS)
        return str(folder / name)

    return write


@pytest.fixture(scope="module")
def noisy(audio):
    """Return a file of two seconds of speech-like noise."""
    import tiny_models as tiny

    return audio("two seconds.wav", tiny.speech(2 * FS))


def choose(page, path, place="noisy"):
    page.set_input_files(f"#{place} input[type=file]", path)


def clips(page):
    """Return the samples of the noisy and the enhanced clip that the page plays."""
    page.wait_for_selector(ENHANCED)
    sources = [e.get_attribute("src") for e in page.query_selector_all("#speech audio")]
    return [soundfile.read(io.BytesIO(base64.b64decode(s.split(",")[1])))[0] for s in sources]


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_an_upload_is_seen_heard_and_read_and_nothing_is_fetched_from_elsewhere(
    open_page, demo, noisy, width
):
    page = open_page(width)
    choose(page, noisy)
    raw, enhanced = clips(page)
    samples = soundfile.read(noisy)[0]
    assert np.allclose(raw, samples, atol=1e-4)
    assert len(enhanced) == len(raw) and not np.allclose(enhanced, raw, atol=1e-2)
    images = page.query_selector_all("#speech img")
    assert [e.evaluate("e => e.naturalWidth > 0") for e in images] == [True, True]
    assert all("Spectrogram of" in e.get_attribute("alt") for e in images)
    texts = [e.inner_text() for e in page.query_selector_all("#speech .text")]
    assert all(set(t.partition("Text: ")[2]) & set("abc") for t in texts), texts
    left = [e.bounding_box()["x"] for e in page.query_selector_all("#speech figure")]
    assert (left[0] < left[1]) == (width > 390)  # side by side, or one above the other
    assert fits(page)
    own = (demo.url, f"blob:{demo.url}", "data:")
    assert [url for url in page.requests if not url.startswith(own)] == []


def test_the_browser_is_told_to_fetch_nothing_from_elsewhere(demo):
    with urlopen(demo.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'") and "http" not in policy


def test_the_slider_changes_the_sound_by_the_keyboard(open_page, noisy):
    page = open_page()
    choose(page, noisy)
    raw, enhanced = clips(page)
    page.focus("#share input[type=range]")
    page.keyboard.press("End")
    page.wait_for_selector("#speech figcaption:has-text('with 100 % noisy speech')")
    assert np.allclose(clips(page)[1], raw, atol=1e-4)
    page.keyboard.press("Home")
    page.wait_for_function(
        "!document.querySelectorAll('#speech figcaption')[1].innerText.includes('%')"
    )
    assert np.allclose(clips(page)[1], enhanced, atol=1e-4)


def test_all_controls_are_reached_by_tab(open_page, noisy):
    page = open_page()
    choose(page, noisy)
    page.wait_for_selector(ENHANCED)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => {
                  const e = document.activeElement;
                  const box = e.closest("#noisy, #example, #share, #speech, [role=tab]");
                  return box ? (box.id || box.innerText.trim()) : "";
                }"""
            )
        )
    assert {"noisy", "example", "share", "speech"} <= reached


def test_the_example_is_made_and_recognised(open_page):
    pytest.importorskip("espeakng_loader", reason="SKIPPED: no synthetic voice here")
    page = open_page(390)
    page.click("#example")
    raw, _ = clips(page)
    assert 3 < len(raw) / FS < 6


def test_the_microphone(open_page):
    page = open_page(permissions=["microphone"])
    page.click("#noisy button[aria-label='Record audio']")
    page.click("#noisy .record-button")
    page.wait_for_timeout(2000)
    page.click("#noisy .stop-button")
    raw, _ = clips(page)  # Chromium's own microphone beeps
    assert len(raw) > FS and np.abs(raw).max() > 0.01


@pytest.mark.parametrize(
    "name, samples, problem",
    [
        ("silence.wav", np.zeros(FS), "silence.wav: is silent: check the microphone"),
        ("long.flac", np.eye(1, 1200 * FS)[0], "long.flac: lasts 1200 s, but at most 20 s"),
        ("click.wav", np.full(20, 0.1), "click.wav: the models failed on 0.00 s of it"),
        ("notes.wav", None, "notes.wav: not a readable audio file"),
    ],
)  # fmt: skip
def test_bad_files_are_told_of_on_the_page(open_page, audio, tmp_path, name, samples, problem):
    if samples is None:
        (tmp_path / name).write_text("These are notes.\n" * 9)
        path = str(tmp_path / name)
    else:
        path = audio(name, samples)
    page = open_page(390)
    choose(page, path)
    alert = page.wait_for_selector("#speech [role=alert]")
    assert alert.inner_text().startswith(problem) and "/" not in alert.inner_text()
    assert fits(page)


def test_a_file_beyond_the_size_is_refused(open_page, audio):
    page = open_page()
    choose(page, audio("large.wav", np.full(100 * FS, 0.1)))
    assert "size" in page.wait_for_selector(".toast-body").inner_text()
    assert page.query_selector("#speech audio") is None


def test_two_at_once_are_both_answered_with_their_own(open_page, audio):
    import tiny_models as tiny

    samples = [tiny.speech(n * FS, seed=n) for n in (2, 3)]
    pages = [open_page(), open_page()]
    for i, page in enumerate(pages):
        choose(page, audio(f"{i}.wav", samples[i]))
    for page, wanted in zip(pages, samples):
        assert np.allclose(clips(page)[0], wanted, atol=1e-4)


@pytest.mark.parametrize("width", [390, 1280])
def test_results_are_shown(open_page, repository, width):
    path = repository / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "results.json"
    page = open_page(width)
    page.get_by_role("tab", name="Results").click()
    choose(page, str(path), "file")
    table = page.wait_for_selector("#results table").inner_text()
    assert all(name in table for name in json.loads(path.read_text())["systems"])
    assert page.query_selector("#results img").evaluate("e => e.naturalWidth > 0")
    assert fits(page)


def test_other_json_is_told_of(open_page, tmp_path):
    (tmp_path / "other.json").write_text('{"wer": 1}')
    page = open_page()
    page.get_by_role("tab", name="Results").click()
    choose(page, str(tmp_path / "other.json"), "file")
    alert = page.wait_for_selector("#results [role=alert]").inner_text()
    assert alert.startswith("other.json: not the results of a report")
