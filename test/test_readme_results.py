# SPDX-License-Identifier: Apache-2.0
"""tools/readme_results.py: the tables and comparisons of a Markdown file from results files."""

import json
import runpy
from pathlib import Path

import pytest

from espnet_cbpc.scoring.report.results import ErrorRate
from espnet_cbpc.utils.cli import UserError

ROOT = Path(__file__).resolve().parents[1]
TOOL = runpy.run_path(str(ROOT / "tools" / "readme_results.py"))
NOISY, CLEAN, JOINT, OTHER = "test_unseen", "test_clean", "Joint, CBPC (joint)", "SE (se_1)"
ALONE = "ASR alone"


def rate(value):
    """Return the errors of a system on a set, those that are shown with a value."""
    counts = dict.fromkeys(ErrorRate.__annotations__, 0)
    shown = {"rate": value, "interval": [value - 0.01, value + 0.01], "seeds": [value] * 2}
    total = {**counts, "interval_kind": "two-way", **shown}
    return {"total": total, "groups": {}, "mean": None, "mean_interval": None, "mean_seeds": None}


def quality(value):
    mean = {"mean": value, "interval": [value - 0.1, value + 0.1], "interval_kind": "two-way"}
    mean.update(seeds=[value] * 2, scored=9, undefined=0)
    return {"total": {"STOI": mean, "SI_SDR": mean}, "groups": {}}


def paired(measure, set_name, difference, interval, p):
    names = {"a": OTHER, "b": JOINT, "measure": measure, "set": set_name, "seeds": 2}
    ps = {"p": p, "p_bootstrap": p, "p_matched_pairs": None}
    shown = {"difference": difference, "interval": interval, "interval_kind": "two-way"}
    return {**names, **shown, **ps}


RATES = {
    ALONE: {CLEAN: rate(0.02), NOISY: rate(0.3)},
    OTHER: {CLEAN: rate(0.03), NOISY: rate(0.2)},
    JOINT: {CLEAN: rate(0.04), NOISY: rate(0.1)},
}

REPORT = {
    "header": {
        "data": "digits", "training seeds": "3 5", "date": "2026-01-02", "espnet": "1",
        "torch": "2",
    },
    "bootstrap": {"level": 0.95, "block": None, "resamples": 10, "seed": 0},
    "systems": [ALONE, OTHER, JOINT],
    "seeds": {ALONE: 2, OTHER: 2, JOINT: 2},
    "sets": [CLEAN, NOISY],
    "breakdown": "utt2snr",
    "breakdowns": ["utt2snr"],
    "mean_over": [0, 5],
    "wer": RATES,
    "cer": RATES,
    "quality": {NOISY: {OTHER: quality(0.7), JOINT: quality(0.8)}},
    "tests": [
        paired("WER", CLEAN, 0.002, [-0.001, 0.005], 0.2),
        paired("WER", NOISY, 0.1, [0.08, 0.12], 0.0004),
        paired("STOI", NOISY, -0.1, [-0.151, -0.049], 0.0494),
        paired("SI_SDR", NOISY, -0.1, [-0.2, 0.0], 0.0496),
    ],
}  # fmt: skip


@pytest.fixture
def update(tmp_path):
    """Function: what the tool makes of a text beside results.json."""
    (tmp_path / "results.json").write_text(json.dumps(REPORT))
    return lambda text: TOOL["updated"](text, tmp_path)


def block(marker, content="old\n"):
    return f"before\n\n<!-- results: {marker} -->\n{content}<!-- /results -->\n\nafter"


def test_scores_of_all_systems(update):
    marker = "scores results.json --quality test_unseen SI_SDR"
    expected = """\
| system | WER (%), clean speech | WER (%), unseen noise | SI-SDR (dB) |
| :-- | --: | --: | --: |
| ASR alone | 2.0 [1.0, 3.0] | 30.0 [29.0, 31.0] | – |
| SE | 3.0 [2.0, 4.0] | 20.0 [19.0, 21.0] | 0.70 [0.60, 0.80] |
| Joint, CBPC | 4.0 [3.0, 5.0] | 10.0 [9.0, 11.0] | 0.80 [0.70, 0.90] |

digits; training seeds 3, 5; 2026-01-02, ESPnet 1, torch 2. Speech quality in unseen noise. In
brackets: 95 % interval, of systems of several seeds over seeds and utterances.
"""
    assert update(block(marker)) == block(marker, expected)


def test_scores_of_some_systems_on_some_sets(update):
    marker = "scores results.json --systems joint 'ASR alone' --sets test_unseen"
    rows = [line for line in update(block(marker)).splitlines() if line.startswith("|")]
    assert rows == [
        "| system | WER (%), unseen noise |",
        "| :-- | --: |",
        "| Joint, CBPC | 10.0 [9.0, 11.0] |",
        "| ASR alone | 30.0 [29.0, 31.0] |",
    ]


def test_differences_say_what_is_significant_by_the_p_value_that_is_shown(update):
    marker = "differences results.json --systems se_1 --against joint --sets"
    expected = """\
Compared with *Joint, CBPC*:

* *SE*: WER 10.0 points higher in unseen noise (95 % CI 8.0 to 12.0, p < 0.001); the difference in
  WER on clean speech (0.2 points, 95 % CI -0.1 to 0.5, p = 0.200) is not significant.
"""
    marker += " test_clean test_unseen"
    assert update(block(marker)) == block(marker, expected)
    marker = "differences results.json --systems se_1 --against joint --sets test_unseen"
    marker += " --measures STOI SI_SDR"
    expected = """\
Compared with *Joint, CBPC*:

* *SE*: STOI 0.100 lower in unseen noise (95 % CI 0.049 to 0.151, p = 0.049); the difference in
  SI-SDR in unseen noise (-0.10 dB, 95 % CI -0.20 to 0.00, p = 0.050) is not significant.
"""
    assert update(block(marker)) == block(marker, expected)


def test_what_is_not_between_markers_stays(update):
    for text in ("", "a\n\n", "no newline", "a\x0cb\n", block("scores results.json")[-5:]):
        assert update(text) == text


@pytest.mark.parametrize(
    "text, message",
    [
        (block("scores none.json"), "line 3, .*/none.json: cannot be read as JSON .*No such"),
        (block("scores results.json --systems x"), "no systems x; there are ASR alone, SE"),
        (block("scores results.json --sets x"), "results on x; there are some on test_clean, test"),
        (block("scores results.json --quality test_clean STOI"), "some on test_unseen"),
        (block("scores results.json --quality test_unseen PESQ"), "no PESQ; it has STOI, SI_SDR"),
        (block("scores results.json --systems"), "expected at least one argument"),
        (block("differences results.json --systems se_1 --sets x"), "required: --against"),
        (
            block("differences results.json --systems 'ASR alone' --against joint --sets x"),
            "no test of the WER of 'ASR alone' against 'Joint, CBPC .joint.' on x",
        ),
        ("<!-- results: scores results.json -->\n", "<!-- /results --> is missing"),
        ("\n<!-- /results -->\n", "line 2, .* must take turns"),
        (block("scores results.json", "<!-- results: scores x -->\n"), "line 4, .* take turns"),
    ],
)
def test_what_cannot_be_made_is_said(update, text, message):
    with pytest.raises(UserError, match=message):
        update(text)


def test_a_tag_that_two_systems_have_names_none(tmp_path):
    twin = "Another (joint)"
    by_system = {key: {**REPORT[key], twin: REPORT[key][JOINT]} for key in ("seeds", "wer", "cer")}
    report = {**REPORT, **by_system, "systems": [*REPORT["systems"], twin]}
    (tmp_path / "results.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match="2 systems joint; there are ASR alone, SE"):
        TOOL["updated"](block("scores results.json --systems joint"), tmp_path)
    found = TOOL["updated"](block(f"scores results.json --systems '{twin}'"), tmp_path)
    assert "| Another | 4.0 [3.0, 5.0] |" in found


def test_the_command_writes_the_file_or_leaves_it_as_it_was(update, tmp_path):
    path = tmp_path / "a.md"
    path.write_text(block("scores results.json"))
    TOOL["main"]([str(path)])
    assert path.read_text() == update(block("scores results.json"))
    path.write_text(block("scores none.json"))
    with pytest.raises(UserError, match="a.md: line 3"):
        TOOL["main"]([str(path)])
    assert path.read_text() == block("scores none.json")
