# SPDX-License-Identifier: Apache-2.0
"""The examples on the pages run, and the results that they state are current."""

import json
import re
import runpy
import shlex

import pytest
import yaml
from readme_pages import PAGES, ROOT, blocks, commands

from espnet_cbpc.bin import score
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.systems import joint_systems
from espnet_cbpc.scoring.report.markdown import render
from espnet_cbpc.utils.files import read_yaml

README = ROOT / "README.md"
TEMPLATE = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "README.md"
DIGITS = ROOT / "egs2" / "fsdd_noisy" / "enh_asr_cbpc1" / "README.md"
WITH_RESULTS = [p for p in PAGES if "<!-- results: " in p.read_text(encoding="utf-8")]
updated = runpy.run_path(str(ROOT / "tools" / "readme_results.py"))["updated"]


def section(page, name):
    return page.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_the_first_page_is_short():
    assert len(README.read_bytes()) <= 10_000


def test_python_example_of_a_model_runs(tmp_path, monkeypatch):
    import soundfile  # here: not for tests that do without ESPnet
    import tiny_models as tiny
    from espnet2.tasks.enh_s2t import EnhS2TTask

    (code,) = [b for b in blocks(README, "python") if "EnhSpeech2Text" in b]
    monkeypatch.chdir(tmp_path)
    tiny.save_model(tmp_path, "joint", EnhS2TTask, tiny.joint_options())
    soundfile.write("noisy.wav", tiny.speech(8000), 8000)
    names = {}
    exec(code.replace("enh_asr.zip", "joint.yaml,joint.pth"), names)
    assert isinstance(names["text"], str) and len(names["enhanced"]) == 8000


def test_python_example_of_the_losses_runs():
    (code,) = [b for b in blocks(README, "python") if "KMeansTokenizer" in b]
    names = {}
    exec(code, names)
    names["loss"].backward()
    assert names["labels"].shape == (2, 50) and (names["labels"][1, 40:] == -1).all()
    assert 0 < names["loss"] < 20 and names["enhanced"].grad.abs().sum() > 0


def test_training_options_build_a_model(tiny_model):
    (text,) = blocks(ROOT / "conf" / "README.md", "yaml")
    options = yaml.safe_load(text)
    options.pop("tokenizer_init")
    model = tiny_model(**options)
    assert [c.name for c in model.criterions] == ["cbpc", "infonce"] and model.alpha == 0.1


def test_comparison_example_is_understood(tmp_path, monkeypatch):
    (text,) = blocks(TEMPLATE, "yaml")
    (tmp_path / "comparison.yaml").write_text(text)
    monkeypatch.chdir(ROOT)
    (system,) = joint_systems(RecipeOptions(comparison=str(tmp_path / "comparison.yaml")))
    assert [c["name"] for c in system.config["contrastive_criterions"]] == ["cbpc"]


def test_espnet3_example_is_what_the_recipe_has():
    folder = ROOT / "egs3" / "mini_synth" / "enh_asr_cbpc"
    (text,) = blocks(folder / "README.md", "yaml")
    example, recipe = yaml.safe_load(text), read_yaml(folder / "conf" / "training.yaml")
    assert example["task"] == recipe["task"]
    assert example["defaults"] == recipe["defaults"][:1]
    assert example["dataset"]["preprocessor"] == recipe["dataset"]["preprocessor"]
    (data,), (recipe_data,) = example["dataset"]["train"], recipe["dataset"]["train"]
    assert data["data_src"] == recipe_data["data_src"]
    assert data["data_src_args"].keys() <= recipe_data["data_src_args"].keys()


@pytest.mark.parametrize("page", WITH_RESULTS, ids=lambda page: page.parent.parent.name)
def test_results_and_their_intervals_are_those_of_the_results_file(page):
    text = page.read_text(encoding="utf-8")
    assert updated(text, page.parent) == text, "out of date: run python tools/readme_results.py"
    generated = "".join(re.findall(r"^<!-- results: .*?^<!-- /results -->", text, re.M | re.S))
    number = r"-?\d+\.\d+"
    pattern = rf"{number} \[{number}, {number}\]|CI\s+{number}\s+to\s+{number},\s+p [=<] 0\.\d+"
    assert len(re.findall(pattern, generated)) > (80 if page == DIGITS else 0)


@pytest.mark.parametrize("page, name", [(README, "What it brings"), (DIGITS, "Results")])
def test_no_figure_of_the_results_is_written_by_hand(page, name):
    prose = re.sub(
        r"^<!-- results: .*?^<!-- /results -->", "", section(page, name), flags=re.M | re.S
    )
    assert len(prose) > 500
    assert re.findall(r".*(?:\[-?\d|\bp [=<]|\bCI\b|\d\.\d+ ?(?:%|points|dB)).*", prose) == []


@pytest.mark.parametrize(
    "pattern",
    [r"^\| Joint, (?:CBPC|infoNCE) \|(.*)$", r"\bp = (0\.\d+)", r"\bCI (\S+ to [-.\d]+)"],
    ids=["rows", "p values", "intervals"],
)
def test_figures_that_have_changed_places_are_found(pattern):
    text, results = DIGITS.read_text(encoding="utf-8"), section(DIGITS, "Results")
    one, other = list(dict.fromkeys(re.findall(pattern, results, re.MULTILINE)))[:2]
    swapped = results.replace(one, "ONE").replace(other, one).replace("ONE", other)
    wrong = text.replace(results, swapped)
    assert wrong != text
    assert updated(wrong, DIGITS.parent) == text


REPORTS = {  # the report of each command that makes one
    page.parent / words[words.index("--results") + 1]: words
    for page in PAGES
    for words in map(shlex.split, commands(page))
    if "compare.sh" in words[0] and words[-1].endswith("RESULTS.md")
}
SCORED = {
    page.parent / words[words.index("--outdir") + 1] / "RESULTS.md": words[2:]
    for page in PAGES
    for words in map(shlex.split, commands(page))
    if words[:2] == ["espnet-cbpc", "score"] and page.parent.parent.parent.name == "egs2"
}


def test_every_committed_report_has_its_command():
    found = [
        p
        for pattern in ("*/*/RESULTS.md", "*/*/*/RESULTS.md")
        for p in ROOT.glob(f"egs2/{pattern}")
    ]
    assert {p for p in found if "exp" not in p.parent.name} == {*REPORTS, *SCORED}
    assert len(REPORTS) >= 5 and len(SCORED) >= 1


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_committed_reports_are_those_of_their_commands(path):
    words = REPORTS[path]
    options = dict(zip(words[1::2], words[2::2]))
    report = json.loads(path.with_name("results.json").read_text(encoding="utf-8"))
    assert report["header"]["training seeds"] == options.get("--seeds", "0 1 2")
    sets = options.get("--test_sets", "test_clean test_seen test_unseen")
    assert report["sets"] == sets.split()
    name = re.compile(r"\((\w+?)(?:_frozen_asr)?(?:_no_transcripts)?\)$|, (no enhancement)$")
    against = [name.search(test["b"]) for test in report["tests"]]
    keys = dict.fromkeys(found[1] or "noenh" for found in against)
    assert " ".join(keys) == options.get("--compare_with", "joint_cbpc_infonce")
    check_tables(path, report, least=80)


@pytest.mark.parametrize("path", SCORED, ids=lambda path: str(path.relative_to(ROOT)))
def test_committed_scores_are_those_of_their_commands(path):
    args = score.get_parser().parse_args(SCORED[path])
    report = json.loads(path.with_name("results.json").read_text(encoding="utf-8"))
    assert report["sets"] == args.sets
    systems = report["systems"]
    assert systems == [words.partition("=")[0] for words in args.systems]
    assert list(dict.fromkeys(test["b"] for test in report["tests"])) == args.compare_with
    check_tables(path, report, least=70)


def check_tables(path, report, least):
    text = path.read_text(encoding="utf-8")
    assert len(figures(text)) > least and figures(text) == figures(render(report))


def figures(markdown):
    return re.findall(r"-?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\](?:, p [=<] 0\.\d+)?", markdown)
