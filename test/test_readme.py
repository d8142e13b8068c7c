"""The README's code runs, its configuration builds, and its commands exist."""

import re
from pathlib import Path

import pytest
import yaml

from espnet_cbpc.enh_asr.comparison import read_comparison
from espnet_cbpc.utils.files import read_yaml

ROOT = Path(__file__).resolve().parents[1]
FSDD_NOISY = ["RESULTS.md", "five_seeds/RESULTS.md", "frozen_asr/RESULTS.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    assert model.criterion_names == ["cbpc", "infonce"] and model.alpha == 0.1


def test_comparison_example_is_understood(tmp_path, monkeypatch):
    (text,) = [b for b in blocks("yaml") if "systems:" in b]
    (tmp_path / "comparison.yaml").write_text(text)
    monkeypatch.chdir(ROOT)
    (system,) = read_comparison(tmp_path / "comparison.yaml", "conf/tokenizer_kmeans.yaml")
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
    if words[:2] == ["python", "-m"]:
        path = ROOT / (words[2].replace(".", "/") + ".py")
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


@pytest.mark.parametrize(
    "recipe, files, start, end, least",
    [
        ("fsdd_noisy", FSDD_NOISY, "## Results", "The synthetic", 80),
        ("mini_synth", ["RESULTS.md"], "The synthetic", "## Stages", 4),
    ],
)
def test_results_and_their_intervals_are_those_of_the_results_file(recipe, files, start, end, least):
    folder = ROOT / "egs2" / recipe / "enh_asr_cbpc1"
    found = "".join((folder / file).read_text(encoding="utf-8") for file in files)
    results = README.partition(start)[2].partition(end)[0]
    figures = re.findall(r"-?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\](?:, p [=<] 0\.\d+)?", results)
    assert len(figures) > least
    assert [figure for figure in figures if figure not in found] == []
