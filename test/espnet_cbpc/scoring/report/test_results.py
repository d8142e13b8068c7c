# SPDX-License-Identifier: Apache-2.0
"""results.json: the committed ones are read, give their reports, and are written as they were."""

import json
from pathlib import Path

import pytest

from espnet_cbpc.scoring.report.markdown import render
from espnet_cbpc.scoring.report.results import read_results, write_results
from espnet_cbpc.utils.cli import UserError

RECIPES = Path(__file__).parents[4] / "egs2"
COMMITTED = sorted(RECIPES.glob("*/enh_asr_cbpc1/**/results.json"))
MINI_SYNTH = RECIPES / "mini_synth" / "enh_asr_cbpc1" / "results.json"


def test_there_are_committed_results():
    assert len(COMMITTED) >= 4


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.parent.relative_to(RECIPES)))
def test_a_committed_report_is_that_of_its_results(path, tmp_path):
    results = read_results(path)
    made = render(results)
    report = path.with_name("RESULTS.md").read_text(encoding="utf-8")
    notes = report[len(made) :]
    assert report.startswith(made) and (notes == "" or notes.startswith("\n## "))
    assert write_results(tmp_path / "results.json", results) == results
    assert (tmp_path / "results.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "change, fault",
    [
        (lambda r: r.pop("cer"), r"it lacks cer\)"),
        (lambda r: r.update(mean_over=[0, None]), r"it\['mean_over'\]\[1\] is null\)"),
        (
            lambda r: r["bootstrap"].update(level="0.95"),
            r"it\['bootstrap'\]\['level'\] is \"0.95\"",
        ),
        (lambda r: r["tests"][2].pop("p"), r"it\['tests'\]\[2\] lacks p\)"),
        (lambda r: r["systems"].append("new"), "nothing of new on test_clean"),
        (lambda r: r["cer"][r["systems"][0]].pop("test_seen"), "nothing of .* on test_seen"),
        (lambda r: r["quality"].update(test_seen=[]), r"it\['quality'\]\['test_seen'\] is \[\]"),
    ],
)
def test_what_is_damaged_is_told(change, fault, tmp_path):
    results = read_results(MINI_SYNTH)
    change(results)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    with pytest.raises(UserError, match=f"not the results of a report .*{fault}.*: make it with"):
        read_results(path)


def test_what_later_versions_may_add_does_not_matter(tmp_path):
    results = read_results(MINI_SYNTH)
    results["new"] = results["tests"][0]["new"] = {"x": 1}
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json") == results


def test_a_system_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="no results.json"):
        read_results(tmp_path / "no results.json")
    with pytest.raises(UserError, match="no system joint in it; it has Clean ASR, "):
        read_results(MINI_SYNTH, ["joint"])
