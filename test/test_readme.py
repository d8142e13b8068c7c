"""The README's code runs, its configuration builds, its commands exist, its results are current."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

from espnet_cbpc.cli import VERBS
from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.systems import joint_systems
from espnet_cbpc.scoring.report.markdown import render
from espnet_cbpc.utils.files import read_yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = README.partition("\n## Results\n")[2].partition("\n## ")[0]
updated = runpy.run_path(str(ROOT / "tools" / "readme_results.py"))["updated"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_example_of_the_losses_runs():
    (code,) = [b for b in blocks("python") if "KMeansTokenizer" in b]
    names = {}
    exec(code, names)
    assert names["labels"].shape == (2, 50) and (names["labels"][1, 40:] == -1).all()
    assert 0 < names["loss"] < 10


def test_training_options_build_a_model(tiny_model):
    (text,) = [b for b in blocks("yaml") if "tokenizer_init" in b]
    options = yaml.safe_load(text)
    options.pop("tokenizer_init")
    model = tiny_model(**options)
    assert [c.name for c in model.criterions] == ["cbpc", "infonce"] and model.alpha == 0.1


def test_comparison_example_is_understood(tmp_path, monkeypatch):
    (text,) = [b for b in blocks("yaml") if "systems:" in b]
    (tmp_path / "comparison.yaml").write_text(text)
    monkeypatch.chdir(ROOT)
    (system,) = joint_systems(RecipeOptions(comparison=str(tmp_path / "comparison.yaml")))
    assert [c["name"] for c in system.config["contrastive_criterions"]] == ["cbpc"]


def test_espnet3_example_is_what_the_recipe_has():
    (text,) = [b for b in blocks("yaml") if "espnet3" in b]
    example = yaml.safe_load(text)
    recipe = read_yaml(ROOT / "egs3" / "mini_synth" / "enh_asr_cbpc" / "conf" / "training.yaml")
    assert example["task"] == recipe["task"]
    assert example["defaults"] == recipe["defaults"][:1]
    assert example["dataset"]["preprocessor"] == recipe["dataset"]["preprocessor"]
    (data,), (recipe_data,) = example["dataset"]["train"], recipe["dataset"]["train"]
    assert data["data_src"] == recipe_data["data_src"]
    assert data["data_src_args"].keys() <= recipe_data["data_src_args"].keys()


@pytest.mark.parametrize(
    "command", [line for b in blocks("bash") for line in b.splitlines() if line.strip()]
)
def test_commands_name_what_is_there(command):
    words = re.sub(r"#.*", "", command).split()
    words = [w for w in words if not re.match(r"[A-Z]+=", w)]
    if words[0] == "espnet-cbpc":
        assert words[1] in VERBS
        return
    if words[:2] == ["python", "-m"]:
        path = ROOT / (words[2].replace(".", "/") + ".py")
    elif words[0] == "python":
        path = ROOT / words[1]
    else:
        path = ROOT / words[0]
        assert path.stat().st_mode & 0o111, f"{path} is not executable"
    assert path.is_file()
    for option, value in zip(words, words[1:]):
        if option == "--comparison":
            assert (path.parent / value).is_file(), value


def test_links_and_folders_that_are_named_exist():
    for name in re.findall(r"`((?:egs[23]|tools|conf)/[\w./-]+)`", README):
        if name not in ("tools/venv",):
            assert (ROOT / name).exists(), name


def generated(recipe):
    """Return what the README takes from a recipe's results files."""
    blocks = rf"^<!-- results: \w+ egs2/{recipe}/.*?^<!-- /results -->"
    return "\n".join(re.findall(blocks, RESULTS, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("recipe, least", [("fsdd_noisy", 80), ("mini_synth", 4)])
def test_results_and_their_intervals_are_those_of_the_results_file(recipe, least):
    number = r"-?\d+\.\d+"
    pattern = rf"{number} \[{number}, {number}\]|CI\s+{number}\s+to\s+{number},\s+p [=<] 0\.\d+"
    assert len(re.findall(pattern, generated(recipe))) > least
    assert updated(README, ROOT) == README, "out of date: run python tools/readme_results.py"


def test_no_figure_of_the_results_is_written_by_hand():
    prose = re.sub(r"^<!-- results: .*?^<!-- /results -->", "", RESULTS, flags=re.M | re.S)
    assert "**Joint training.**" in prose
    assert re.findall(r".*(?:\[-?\d|\bp [=<]|\bCI\b|\d\.\d+ ?(?:%|points|dB)).*", prose) == []


@pytest.mark.parametrize(
    "pattern",
    [r"^\| Joint, (?:CBPC|infoNCE) \|(.*)$", r"\bp = (0\.\d+)", r"\bCI (\S+ to [-.\d]+)"],
    ids=["rows", "p values", "intervals"],
)
def test_figures_that_have_changed_places_are_found(pattern):
    one, other = list(dict.fromkeys(re.findall(pattern, RESULTS, re.MULTILINE)))[:2]
    swapped = RESULTS.replace(one, "ONE").replace(other, one).replace("ONE", other)
    wrong = README.replace(RESULTS, swapped)
    assert wrong != README
    assert updated(wrong, ROOT) == README


REPORTS = [
    shlex.split(line)
    for b in blocks("bash")
    for line in b.splitlines()
    if line.endswith("RESULTS.md")
]


def test_every_committed_report_that_is_named_has_its_command():
    made = [str(Path(words[0]).parent / words[-1]) for words in REPORTS]
    assert sorted(made) == sorted(re.findall(r"\]\((egs2/\S+/RESULTS\.md)\)", README))
    assert len(made) == 4


@pytest.mark.parametrize("words", REPORTS, ids=lambda words: f"{words[0]} {words[-1]}")
def test_committed_reports_are_those_of_their_commands(words):
    options = dict(zip(words[1::2], words[2::2]))
    path = ROOT / Path(words[0]).parent / options["--results"]
    report = json.loads(path.with_name("results.json").read_text(encoding="utf-8"))
    assert report["header"]["seeds of the trainings"] == options.get("--seeds", "0 1 2")
    sets = options.get("--test_sets", "test_clean test_seen test_unseen")
    assert report["sets"] == sets.split()
    against = [re.search(r"\((\w+)\)$", test["b"])[1] for test in report["tests"]]
    assert " ".join(dict.fromkeys(against)) == options.get("--compare_with", "joint_cbpc_infonce")
    text = path.read_text(encoding="utf-8")
    assert len(figures(text)) > 80 and figures(text) == figures(render(report))


def figures(markdown):
    return re.findall(r"-?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\](?:, p [=<] 0\.\d+)?", markdown)
