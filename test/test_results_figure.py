# SPDX-License-Identifier: Apache-2.0
"""The figure of results shows what the results file says, and is up to date."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from espnet_cbpc.utils.cli import UserError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from results_figure import Row, figure, main, rows_of, step_of

SVG = "{http://www.w3.org/2000/svg}"
FROZEN = ROOT / "egs2" / "fsdd_noisy" / "enh_asr_cbpc1" / "frozen_asr" / "results.json"


def report(**rates):
    wer = {s: {"test": {"total": {"rate": r, "interval": [r / 2, r]}}} for s, r in rates.items()}
    return {"systems": list(rates), "sets": ["test"], "wer": wer}


def test_points_and_lines_are_where_the_axis_says():
    rows = rows_of(report(first=0.1, last=0.2), ["first", "last"], "test")
    assert rows == [Row("first", 10.0, 5.0, 10.0), Row("last", 20.0, 10.0, 20.0)]
    drawn = ElementTree.fromstring(figure(rows, "WER & more", "a note"))
    ticks = {float(t.text): float(t.get("x")) for t in drawn.iter(f"{SVG}text") if _is_tick(t)}
    assert sorted(ticks) == [0, 5, 10, 15, 20]
    points = [float(c.get("cx")) for c in drawn.iter(f"{SVG}circle")]
    assert points == [ticks[10], ticks[20]]
    bars = [b for b in drawn.iter(f"{SVG}line") if b.get("class") == "bar"]
    assert [float(bars[0].get(end)) for end in ("x1", "x2")] == [ticks[5], ticks[10]]
    assert [t.text for t in drawn.iter(f"{SVG}text") if t.get("class") == "last"] == [
        "last",
        "20.0",
    ]


def _is_tick(text):
    return text.get("text-anchor") == "middle"


@pytest.mark.parametrize("highest, step", [(4, 1), (21.7, 5), (99, 20), (0.9, 0.2), (8, 2)])
def test_steps_of_the_axis(highest, step):
    assert step_of(highest) == pytest.approx(step)


def test_what_the_results_lack_is_named():
    with pytest.raises(UserError, match="no systems X; there are first"):
        rows_of(report(first=0.1), ["X"], "test")
    with pytest.raises(UserError, match="first has no WER with an interval on test"):
        rows_of(_undefined(), ["first"], "test")


def _undefined():
    found = report(first=0.1)
    found["wer"]["first"]["test"]["total"]["interval"] = [None, None]
    return found


def test_the_figure_is_up_to_date(tmp_path):
    systems = ["Clean ASR, no enhancement", "SE, then clean ASR", "fl_asr_loss"]
    systems += ["fl_feature_matching", "fl_feature_matching_layers", "fl_cbpc_infonce"]
    made = tmp_path / "results.svg"
    main([str(FROZEN), "--systems", *systems, "--set", "test_unseen", "--output", str(made)])
    assert made.read_text() == (ROOT / "tools" / "figures" / "results.svg").read_text()
    assert not re.search(r"https?://(?!www.w3.org)", made.read_text())
