# SPDX-License-Identifier: Apache-2.0
"""tools/setup_env.sh and path.sh, with a stand-in for Python that installs nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Notes each `-m` call in calls.log; `-c` goes to the real Python unless the test says otherwise.
FAKE_PYTHON = f"""#!/usr/bin/env bash
if [ "$1" = -m ]; then echo "$2" >>"$FAKE/calls.log"; fi
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$FAKE/bin/python3" "$3/bin/python" ;;
    "-m pip")
        echo "Collecting torch"
        sleep "${{FAKE_PIP_SECONDS:-0}}"
        if [ -n "${{FAKE_PIP_ERROR:-}}" ]; then echo "$FAKE_PIP_ERROR" >&2; exit 1; fi ;;
    *"$FAKE_LACKS"*) exit 1 ;;
    *) exec "{sys.executable}" "$@" ;;
esac
"""
TOOLS = (
    "bash cat cksum cp dirname env flock head locale grep mkdir mv nproc readlink realpath rm sed"
)


class Repository:
    """A copy of what the scripts need, with an environment of variables to run them in."""

    def __init__(self, folder: Path):
        self.root = folder / "a repository"
        self.fake = folder / "fake"
        for name in ("setup.py", "tools/setup_env.sh", "espnet_cbpc/versions.py"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        self.venv = self.root / "tools" / "venv"
        self.log = self.root / "tools" / "setup_env.log"
        (self.fake / "bin").mkdir(parents=True)
        for tool in TOOLS.split() + ["sleep", "tail", "tee", "touch", "cc"]:
            if shutil.which(tool):
                (self.fake / "bin" / tool).symlink_to(shutil.which(tool))
        self.add_python(self.fake / "bin" / "python3")
        self.env = {"PATH": str(self.fake / "bin"), "FAKE": str(self.fake), "FAKE_LACKS": "nothing"}

    def add_python(self, path: Path, text: str = FAKE_PYTHON):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, **env):
        return subprocess.Popen(
            [str(self.root / "tools" / "setup_env.sh")],
            cwd="/",
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell that runs the tests in the background has it ignored, and so would bash here.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, **env):
        process = self.start(**env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def succeed(self, **env):
        code, out, err = self.run(**env)
        assert (code, out) == (0, f"{self.venv}/bin\n"), err
        return err

    def fail(self, **env):
        code, out, err = self.run(**env)
        assert (code, out) == (1, "")
        return err

    def calls(self):
        """Return what was run since the last time, such as ``["venv", "pip"]``."""
        path = self.fake / "calls.log"
        calls = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return calls


@pytest.fixture
def repo(tmp_path):
    return Repository(tmp_path)


def test_made_once_and_then_left_alone(repo):
    err = repo.succeed()
    assert f"making {repo.venv} with python3" in err
    assert repo.calls() == ["venv", "pip"]
    assert repo.succeed() == ""
    assert repo.calls() == []


@pytest.mark.parametrize("name", ["setup.py", "espnet_cbpc/versions.py"])
def test_changed_requirements_update_the_environment(repo, name):
    repo.succeed()
    repo.calls()
    with open(repo.root / name, "a") as f:
        f.write("# changed\n")
    assert "updating" in repo.succeed()
    assert repo.calls() == ["pip"]
    assert repo.succeed() == ""


def test_other_python_makes_it_anew(repo):
    repo.succeed()
    stamp = repo.venv / ".complete"
    origin, extras, requirements = stamp.read_text().splitlines()
    stamp.write_text(f"{repo.root} 3.8.0\n{extras}\n{requirements}\n")
    (repo.venv / "old").touch()
    repo.calls()
    repo.succeed()
    assert repo.calls() == ["venv", "pip"]
    assert not (repo.venv / "old").exists()
    assert stamp.read_text().splitlines() == [origin, extras, requirements]


def test_moved_repository_makes_it_anew(repo):
    repo.succeed()
    moved = repo.root.with_name("moved")
    repo.root.rename(moved)
    repo.root, repo.venv = moved, moved / "tools" / "venv"
    repo.calls()
    repo.succeed()
    assert repo.calls() == ["venv", "pip"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_install_is_redone(repo, sent):
    process = repo.start(FAKE_PIP_SECONDS="60")
    deadline = time.monotonic() + 30
    while not (repo.log.exists() and "Collecting" in repo.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (repo.venv / "half").touch()
    os.killpg(process.pid, sent)
    out, _ = process.communicate(timeout=10)
    assert process.returncode != 0
    assert out == ""
    repo.calls()
    repo.succeed()
    assert repo.calls() == ["venv", "pip"]
    assert not (repo.venv / "half").exists()


def test_interrupted_update_is_redone(repo):
    repo.succeed()
    (repo.root / "setup.py").write_text("# changed\n")
    repo.fail(FAKE_PIP_ERROR="no route")
    (repo.root / "setup.py").write_text((ROOT / "setup.py").read_text())
    repo.calls()
    repo.succeed()
    assert repo.calls() == ["venv", "pip"]


def test_two_at_once_install_once(repo):
    first = repo.start(FAKE_PIP_SECONDS="2")
    while not repo.log.exists():
        time.sleep(0.05)
    second = repo.start()
    results = [process.communicate(timeout=60) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert [out for out, _ in results] == [f"{repo.venv}/bin\n"] * 2
    assert repo.calls() == ["venv", "pip"]
    assert results[1][1] == "setup_env.sh: waiting for another set-up to finish\n"


def test_failing_pip_shows_the_end_of_its_log(repo):
    err = repo.fail(FAKE_PIP_ERROR="ERROR: no matching distribution")
    assert err.endswith(
        "Collecting torch\nERROR: no matching distribution\n"
        f"setup_env.sh: error: pip install failed (the end of {repo.log} is above); "
        "put it right and run this again\n"
    )
    assert not (repo.venv / ".complete").exists()


def test_missing_python(repo):
    assert repo.fail(PYTHON="/nowhere/python3") == (
        "setup_env.sh: error: /nowhere/python3 not found; "
        "install Python, or name one: PYTHON=/path/to/python3\n"
    )


def test_wrong_python(repo):
    (repo.root / "espnet_cbpc" / "versions.py").write_text('PYTHON = ">=4.1,<4.3"\n')
    version = ".".join(map(str, sys.version_info[:2]))
    assert repo.fail() == (
        f"setup_env.sh: error: python3 is Python {version}, but Python >=4.1,<4.3 is needed; "
        "name a fitting one: PYTHON=/path/to/python3\n"
    )
    assert not repo.venv.exists()


SHIM = "#!/usr/bin/env bash\necho 'pyenv: python: command not found' >&2\nexit 127\n"
WITHOUT_VENV = f"""#!/usr/bin/env bash
case "$2" in *ensurepip*) exit 1 ;; esac
exec "{sys.executable}" "$@"
"""


def test_the_newest_python_that_works_is_taken(repo):
    repo.add_python(repo.fake / "bin" / "python3.13", SHIM)
    repo.add_python(repo.fake / "bin" / "python3.12", WITHOUT_VENV)
    repo.add_python(repo.fake / "bin" / "python3.11")
    assert f"making {repo.venv} with python3.11" in repo.succeed()
    assert repo.succeed() == ""  # another one that comes later changes nothing


def test_where_none_works_the_newest_that_starts_is_complained_about(repo):
    repo.add_python(repo.fake / "bin" / "python3.13", SHIM)
    repo.add_python(repo.fake / "bin" / "python3.12", WITHOUT_VENV)
    repo.add_python(repo.fake / "bin" / "python3", SHIM)
    assert repo.fail().startswith("setup_env.sh: error: python3.12 has no venv module; ")


def test_more_extras_are_added_and_then_kept(repo):
    repo.succeed()
    repo.calls()
    assert "updating" in repo.succeed(EXTRAS="test,faiss")
    assert repo.calls() == ["pip"]
    assert repo.succeed() == "" and repo.succeed(EXTRAS="test,faiss") == ""
    assert repo.calls() == []


def test_the_environment_can_be_elsewhere(repo):
    other = repo.root / "other"
    assert repo.run(VENV=str(other))[:2] == (0, f"{other}/bin\n")
    assert not repo.venv.exists() and (other / ".complete").is_file()


@pytest.mark.parametrize(
    "lacks, message",
    [
        ("ensurepip", "python3 has no venv module; install it (Debian, Ubuntu: apt install python"),
        ("Python.h", "python3 has no header files (Python.h); install them (Debian, Ubuntu: apt "),
    ],
)
def test_incomplete_python(repo, lacks, message):
    err = repo.fail(FAKE_LACKS=lacks)
    assert err.startswith(f"setup_env.sh: error: {message}")
    assert repo.calls() == []


def test_missing_compiler(repo):
    (repo.fake / "bin" / "cc").unlink()
    assert repo.fail() == (
        "setup_env.sh: error: no C compiler found; "
        "install one (Debian, Ubuntu: apt install build-essential)\n"
    )


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_activated_environment_is_used_if_it_has_the_package(repo, variable):
    own = repo.fake / "own"
    repo.add_python(own / "bin" / "python", "#!/usr/bin/env bash\nexit 0\n")
    assert repo.run(**{variable: str(own)}) == (0, f"{own}/bin\n", "")
    assert not repo.venv.exists()


def test_activated_environment_without_the_package_is_passed_over(repo):
    own = repo.fake / "own"
    repo.add_python(own / "bin" / "python", "#!/usr/bin/env bash\nexit 1\n")
    repo.succeed(VIRTUAL_ENV=str(own))
    assert repo.calls() == ["venv", "pip"]


@pytest.fixture
def recipe(repo):
    template = repo.root / "egs2" / "TEMPLATE" / "enh_asr_cbpc1"
    template.mkdir(parents=True)
    shutil.copy(ROOT / "egs2" / "TEMPLATE" / "enh_asr_cbpc1" / "path.sh", template)
    folder = repo.root / "egs2" / "mine" / "enh_asr_cbpc1"
    folder.mkdir(parents=True)
    (folder / "path.sh").symlink_to("../../TEMPLATE/enh_asr_cbpc1/path.sh")
    return folder


def source_path(recipe, env, code):
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". ./path.sh; {code}"],
        cwd=recipe,
        env=env,
        capture_output=True,
        text=True,
    )


def test_path_puts_the_environment_first_and_once(repo, recipe):
    code = '. ./path.sh; echo "$PATH"; echo "$OMP_NUM_THREADS ${PYTHONPATH-no}"; compgen -v _cbpc'
    result = source_path(recipe, repo.env, f"{code} || true")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"{repo.venv}/bin:{repo.env['PATH']}",
        f"{len(os.sched_getaffinity(0))} no",
    ]


def test_path_keeps_the_callers_threads_and_sorts_by_code_point(repo, recipe):
    env = {**repo.env, "OMP_NUM_THREADS": "3", "LC_ALL": "en_US.UTF-8"}
    result = source_path(recipe, env, 'echo "$OMP_NUM_THREADS $LC_ALL $PYTHONIOENCODING"')
    threads, locale, encoding = result.stdout.split()
    assert (threads, encoding) == ("3", "UTF-8")
    assert locale in ("C", "C.UTF-8")


def test_path_stops_the_recipe_if_the_set_up_fails(repo, recipe):
    result = source_path(recipe, {**repo.env, "FAKE_LACKS": "ensurepip"}, "echo went on")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "no venv module" in result.stderr


def test_a_recipe_elsewhere_uses_the_python_that_made_it(tmp_path, recipe):
    alone = tmp_path / "alone"
    shutil.copytree(recipe, alone)
    (alone / "local").mkdir()
    (alone / "local" / "python").write_text(f"{sys.executable}\n")
    env = {"PATH": f"/elsewhere:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    result = source_path(alone, env, 'echo "$PATH"')
    assert result.stdout == f"{Path(sys.executable).parent}:{env['PATH']}\n", result.stderr
    (alone / "local" / "python").write_text("/no/such/bin/python3\n")
    result = source_path(alone, env, "echo went on")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "path.sh: error: /no/such/bin/python cannot be run, or has no espnet-cbpc: install it "
        f"there, or write the path of a Python that has it to {alone}/local/python\n"
    )
