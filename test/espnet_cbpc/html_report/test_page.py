# SPDX-License-Identifier: Apache-2.0
"""The page: its structure, its numbers against the files, and what it says of what is missing."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from urllib.parse import unquote

import html_report_files as made
import jiwer
import pytest
import soundfile

from espnet_cbpc.bin import html_report
from espnet_cbpc.html_report.decoded_set import DecodedSet
from espnet_cbpc.scoring.report.gather import write_report
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts
from espnet_cbpc.utils.cli import UserError

VOID = {"meta", "link", "img", "br"}
OURS = made.SYSTEMS[-1]


class Outline(HTMLParser):
    """The elements of a page with their attributes, nesting and text; its tables by caption."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.tables, self.badly_nested = [], [], {}, []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        element = {
            "tag": tag,
            "text": "",
            "within": [e["tag"] for e in self.open],
            **dict(attributes),
        }
        self.elements.append(element)
        if tag == "table":
            self.rows = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1]["tag"] != tag:
            self.badly_nested.append(tag)
            return
        self.open.pop()
        if tag == "caption":
            self.caption = self.elements[-1]["text"]
        if tag == "table":
            self.tables[self.caption] = [
                [cell["text"].strip() for cell in row] for row in self.rows
            ]

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, *tags):
        return [element for element in self.elements if element["tag"] in tags]


def read(path):
    pairs = (line.split(maxsplit=1) for line in path.read_text().splitlines())
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def make(command, folder, *options):
    path = folder / "report.html"
    html_report.main([*command, f"--output={path}", *options])
    return Outline(path.read_text(encoding="utf-8"))


def without(command, *options):
    """Return the command without these options and their values."""
    kept, skip = [], False
    for word in command:
        if word.startswith("--"):
            skip = word.split("=")[0] in options
        if not skip:
            kept.append(word)
    return kept


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page.read_text(encoding="utf-8"))


@pytest.fixture
def copy(experiment, command, tmp_path):
    """A copy of the experiment to be spoilt, and the command for it."""
    shutil.copytree(experiment, tmp_path / "copy")
    return tmp_path / "copy", [w.replace(str(experiment), str(tmp_path / "copy")) for w in command]


def test_elements_are_closed_in_order_and_ids_are_unique(outline):
    assert outline.badly_nested == [] and outline.open == []
    ids = [e["id"] for e in outline.elements if "id" in e]
    assert len(ids) == len(set(ids)) > 5
    targets = [e["href"] for e in outline.all("a")]
    assert len(targets) > 5 and all(t[0] == "#" and t[1:] in ids for t in targets)


def test_language_title_and_headings_in_order(outline):
    assert outline.all("html")[0]["lang"] == "en"
    assert outline.all("title")[0]["text"] == "Report: digits <i>"
    levels = [int(e["tag"][1]) for e in outline.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 12
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    assert {"header", "main", "nav", "footer"} <= {e["tag"] for e in outline.elements}


def test_nothing_is_fetched_and_nothing_runs(outline, page):
    assert outline.all("script", "iframe", "object", "embed", "base") == []
    for element in outline.elements:
        for name in ("src", "href", "srcset", "poster", "action", "data"):
            value = element.get(name, "data:")
            assert value.startswith("data:") or element["tag"] == "a", element
        assert not any(name.startswith("on") for name in element)
    assert not re.search(r"@import|url\(", outline.all("style")[0]["text"])
    policy = next(e for e in outline.all("meta") if "http-equiv" in e)["content"]
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_pictures_and_audio_say_what_they_are(outline):
    pictures = outline.all("img")
    assert len(pictures) > 20
    assert all(len(e["alt"].split()) > 7 for e in pictures), [e["alt"] for e in pictures]
    assert all(int(e["width"]) and int(e["height"]) for e in pictures)
    audio = outline.all("audio")
    assert len(audio) == 5 * 4  # noisy, clean, two that enhance
    assert all("controls" in e and len(e["aria-label"]) > 3 for e in audio)
    for picture in pictures:
        svg = unquote(picture["src"].partition("svg+xml,")[2])
        assert "currentColor" in svg and "prefers-color-scheme" in svg and "#123456" not in svg
        assert not re.search(
            r"https?://(?!www\.w3\.org|matplotlib\.org|purl\.org|creativecommons)", svg
        )


def test_tables_have_captions_and_scopes_and_scroll_by_keyboard(outline):
    tables = outline.all("table")
    assert len(tables) == len(outline.all("caption")) > 10
    assert all(e["scope"] in ("col", "row") for e in outline.all("th"))
    boxes = [e for e in outline.all("div") if e.get("class") == "scroll"]
    assert len(boxes) == len(tables)
    assert all((e["tabindex"], e["role"]) == ("0", "region") and e["aria-label"] for e in boxes)


def test_text_from_outside_is_text(outline, page):
    assert OURS in outline.tables["WER (%), in brackets 95 % interval"][-1][0]
    assert "<script" not in page.read_text(encoding="utf-8").split("</head>")[1]


def test_wer_is_what_jiwer_says(outline, experiment):
    head, *rows = outline.tables["WER (%), in brackets 95 % interval"]
    assert head == ["system", "test_clean", "test_seen", "test_seen, mean of 0, 5, 10 dB"]
    for i, row in enumerate(rows):
        for cell, name in zip(row[1:], ("test_clean", "test_seen")):
            ref, hyp = (
                read(p / name / "text") for p in (experiment / "raw", experiment / f"sys{i}")
            )
            wer = 100 * jiwer.wer(list(ref.values()), [hyp[key] for key in ref])
            number, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", cell).groups())
            assert number == float(f"{wer:.1f}") and low <= number <= high


def test_wer_by_noise_is_what_jiwer_says(outline, experiment):
    head, *rows = outline.tables["test_seen: WER (%) by noise, in brackets the interval"]
    assert head == ["system", "babble", "car", "wind", "all"]
    noises, ref = (read(experiment / "raw/test_seen" / n) for n in ("utt2noise", "text"))
    for i, row in enumerate(rows):
        hyp = read(experiment / f"sys{i}" / "test_seen" / "text")
        for noise, cell in zip(head[1:], row[1:]):
            keys = [key for key in ref if noise in (noises[key], "all")]
            wer = 100 * jiwer.wer([ref[k] for k in keys], [hyp[k] for k in keys])
            assert cell.split()[0] == f"{wer:.1f}"
    assert "test_clean: WER (%) by noise, in brackets the interval" not in outline.tables


def test_quality_is_that_of_the_results(outline, experiment):
    results = json.loads((experiment / "results.json").read_text())
    totals = outline.tables["Speech quality: test_seen, in brackets the interval of the mean"][1:]
    for system, value in totals:
        found = results["quality"]["test_seen"][system]["total"]["SI_SDR"]
        assert value == "{:.2f} [{:.2f}, {:.2f}]".format(found["mean"], *found["interval"])
    rows = outline.tables["Speech quality: test_seen by SNR"]
    assert [row[0] for row in rows[1::2]] == ["-5 dB", "0 dB", "5 dB", "10 dB", "all"]
    assert [row[1:] for row in rows[-2:]] == totals


def test_clusters_and_map(outline):
    rows = dict(outline.tables["The clusters on validation speech"][1:])
    assert rows["clusters"] == "4, 0 of them without frames"
    assert rows["labels kept in noise (%)"] == "50.0"
    assert rows["symbol purity (%): each cluster read as its most frequent symbol"] == "75.0"
    rows = outline.tables["Frames and the clusters of clean speech"][1:]
    assert [row[:2] for row in rows] == [["clean", "100.0"], ["torn", "75.0"]]


def test_worst_utterances_are_those_of_the_highest_wer(outline, experiment):
    rates = {}
    for name in ("test_clean", "test_seen"):
        ref, hyp = (read(p / name / "text") for p in (experiment / "raw", experiment / "sys2"))
        rates.update({(k, name): 100 * jiwer.wer(ref[k], hyp[k]) for k in ref})
    head, *rows = outline.tables[f"Highest WER of {OURS}"]
    column = head.index("its WER (%)")
    assert [row[column] for row in rows] == [f"{r:.1f}" for r in sorted(rates.values())[:-9:-1]]
    assert all(row[column] == f"{rates[row[0], row[1]]:.1f}" for row in rows)
    head, *rows = outline.tables[f"Lowest WER of {OURS}"]
    assert len(rows) == 8 and all(float(row[column]) == 0 for row in rows)


def test_audio_is_that_of_the_files(outline, experiment):
    clip = next(e for e in outline.all("audio") if e["aria-label"].startswith("noisy speech"))
    utterance = clip["aria-label"].split(", ")[1]
    heard, fs = soundfile.read(
        BytesIO(base64.b64decode(clip["src"].partition(",")[2])), dtype="int16"
    )
    path = read(experiment / "raw/test_seen/wav.scp")[utterance]
    written, rate = soundfile.read(path, dtype="int16")
    assert fs == rate and abs(heard.astype(int) - written).max() <= 1


def test_only_the_first_seconds_of_long_audio(command, tmp_path):
    outline = make(command, tmp_path, "--max_seconds=0.25")
    assert "Only the first 0.25 s are shown." in outline.all("main")[0]["text"]
    content = base64.b64decode(outline.all("audio")[0]["src"].partition(",")[2])
    assert soundfile.info(BytesIO(content)).frames == made.FS // 4


def test_the_same_command_gives_the_same_page(command, page, tmp_path):
    make(command, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == page.read_bytes()


def test_what_is_not_there_is_said(command, tmp_path):
    few = without(command, "--tokenizer", "--embedding_map", "--experiments")
    text = make(few, tmp_path, "--no_examples").all("main")[0]["text"]
    for sentence in (
        "No tokenizer was given", "No map was given", "No training runs were given",
        "Examples were not asked for",
    ):  # fmt: skip
        assert sentence in text


def test_a_training_without_records_is_said_to_have_none(outline):
    text = " ".join(outline.all("main")[0]["text"].split())
    assert "brought There are no records of this training run" in text


def test_real_recordings_have_no_clean_speech(copy, tmp_path):
    root, command = copy
    keys = read(root / "raw/test_seen/text")
    made.write(root / "raw/test_seen/utt2category", dict.fromkeys(keys, "REAL"))
    outline = make(command, tmp_path)
    assert "A real recording: there is no clean speech" in outline.all("main")[0]["text"]
    labels = [e["aria-label"].split(", ")[0] for e in outline.all("audio")]
    assert "clean speech" not in labels and labels.count("noisy speech") == 5


def test_paired_tests_are_those_of_the_results(outline, experiment):
    tests = json.loads((experiment / "results.json").read_text())["tests"]
    expected = [test for test in tests if test["measure"] == "WER"]
    (baseline,) = {test["b"] for test in expected}
    head, *rows = outline.tables[f"Against {baseline}: WER (in points)"]
    assert head == ["WER: system", "test_clean", "test_seen"] and len(rows) == 2
    cells = {(row[0], name): cell for row in rows for name, cell in zip(head[1:], row[1:])}
    assert len(cells) == len(expected)
    for test in expected:
        numbers = (100 * x for x in (test["difference"], *test["interval"]))
        ps = (test["p"], test["p_matched_pairs"])
        p, matched = ("< 0.001" if p < 0.001 else f"{p:.3f}" for p in ps)
        told = "{:.1f} [{:.1f}, {:.1f}]".format(*numbers) + f", p {'' if '<' in p else '= '}{p}"
        assert cells[test["a"], test["set"]] == f"{told} (matched pairs {matched})"
    assert f"Against {baseline}: test_seen" not in outline.tables  # its speech is not enhanced


def test_what_has_no_interval_or_p_is_shown_without(copy, tmp_path):
    root, command = copy
    results = json.loads((root / "results.json").read_text())
    test = {**results["tests"][0], "set": "test_seen", "a": OURS, "b": "noisy speech"}
    test["p_matched_pairs"] = None
    results["tests"] = [
        {**test, "measure": "WER", "difference": -0.5, "interval": [None, None], "p": 0.0002},
        {**test, "measure": "STOI", "difference": -0.0001, "interval": [-0.1, 0.1], "p": None},
    ]
    results["wer"][OURS]["test_clean"]["total"]["interval"] = [None, None]
    (root / "results.json").write_text(json.dumps(results))
    tables = make(command, tmp_path).tables
    assert tables["Against noisy speech: WER (in points)"][1][1:] == ["-50.0, p < 0.001"]
    assert tables["Against noisy speech: test_seen"][1][1:] == ["0.000 [-0.100, 0.100], p = –"]
    assert "[" not in tables["WER (%), in brackets 95 % interval"][-1][1]


@pytest.fixture
def seeds(experiment, tmp_path):
    """Results and command of a system of two seeds beside one of one, by SNR and by noise."""
    one, two = made.SYSTEMS[0], "of two seeds"
    folders = {one: [experiment / "sys0"], two: [experiment / "sys1", experiment / "sys2"]}
    write_report(
        folders, experiment / "raw", ["test_seen"], tmp_path / "RESULTS.md",
        breakdown=["utt2snr", "utt2noise"],
    )  # fmt: skip
    return [
        f"--results={tmp_path / 'results.json'}", f"--data_root={experiment / 'raw'}",
        "--systems", *(f"{n}={','.join(map(str, given))}" for n, given in folders.items()),
    ]  # fmt: skip


def test_seeds(seeds, experiment, tmp_path):
    outline = make(seeds, tmp_path)
    row = outline.tables["WER (%) of each training seed"][1]
    assert row[:2] == ["of two seeds", "test_seen"]
    ref = read(experiment / "raw/test_seen/text")
    for cell, i in zip(row[2:], (1, 2)):
        hyp = read(experiment / f"sys{i}/test_seen/text")
        assert cell == f"{100 * jiwer.wer(list(ref.values()), [hyp[key] for key in ref]):.1f}"
    text = " ".join(outline.all("main")[0]["text"].split())
    assert "of systems of several seeds over seeds and utterances." in text
    assert "Texts and enhanced speech are of the first seed, WER is over all seeds." in text


def test_a_property_is_split_as_the_results_do_it(seeds, experiment, tmp_path):
    caption = "test_seen: WER (%) by noise, in brackets the interval"
    theirs = make(seeds, tmp_path, "--breakdowns").tables[caption]
    results = json.loads((tmp_path / "results.json").read_text())
    results["breakdowns"] = ["utt2snr"]
    for system in results["systems"]:
        del results["wer"][system]["test_seen"]["further"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert make(seeds, tmp_path, "--breakdowns", "utt2noise").tables[caption] == theirs
    assert caption not in make(seeds, tmp_path, "--breakdowns").tables


def test_errors_of_several_seeds_are_summed(experiment):
    folders = {"both": [experiment / "sys0", experiment / "sys2"]}
    alone = {f"sys{i}": [experiment / f"sys{i}"] for i in (0, 2)}
    found = DecodedSet.read(experiment / "raw/test_seen", {**folders, **alone}, [])
    for key, count in found.counts["both"].items():
        parts = [found.counts[name][key] for name in alone]
        assert count == sum(parts, ErrorCounts()) and count.words == 2 * parts[0].words
    assert found.hyp["both"] == found.hyp["sys0"]


def test_all_missing_files_are_named_at_once(copy, tmp_path):
    root, command = copy
    (root / "sys0/test_seen/text").unlink()
    (root / "raw/test_clean/text").unlink()
    (root / "exp_brought").rmdir()
    with pytest.raises(
        UserError, match="3 file.s. or folder.s. missing .*run this in the recipe's"
    ) as e:
        make(command, tmp_path)
    for name in ("sys0/test_seen/text", "raw/test_clean/text", "exp_brought"):
        assert name in str(e.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"sets": []}', '{"wer": 1'])
def test_other_files_than_results_are_refused(copy, tmp_path, content):
    root, command = copy
    (root / "results.json").write_text(content)
    with pytest.raises(UserError, match="results.json: .*make it with espnet_cbpc.bin.report"):
        make(command, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_other_files_than_the_tokenizers_report_are_refused(copy, tmp_path, content):
    root, command = copy
    (root / "tokenizer/quality.json").write_text(content)
    with pytest.raises(UserError, match="quality.json: .*fit .* again"):
        make(command, tmp_path)


def test_options_are_checked(command, tmp_path):
    others = without(command, "--systems")
    for options, message in (
        (["--systems", "nobody=x"], "results.json: no system nobody in it; it has ASR"),
        (["--systems", "ASR alone"], "--systems 'ASR alone': write it as NAME=VALUE"),
        (["--systems", "a=x", "a=y"], "--systems: 'a' is given twice"),
        (["--systems", "a=x", "--rows=0"], "--rows must be at least 1"),
    ):
        with pytest.raises(UserError, match=message):
            make(others, tmp_path, *options)


def test_a_missing_audio_file_is_named(copy, tmp_path):
    root, command = copy
    for path in (root.parent / "copy").glob("audio/test_seen/*.wav"):
        path.unlink()
    table = read(root / "raw/test_seen/wav.scp")
    moved = {key: value.replace("/audio/", "/gone/") for key, value in table.items()}
    made.write(root / "raw/test_seen/wav.scp", moved)
    with pytest.raises(UserError, match="gone/test_seen/u.*: no such audio file"):
        make(command, tmp_path)
