# SPDX-License-Identifier: Apache-2.0
"""The built wheel in an environment of its own, far from the repository.

With CBPC_WHOLE_INSTALL=1 its dependencies are installed too, which are gigabytes, and no compiler
may be called. Else the packages of the tests' environment serve.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # builds the wheel, and imports ESPnet from a fresh environment
ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
MADE = shutil.ignore_patterns("__pycache__")


def install(environment, *words):
    """Install packages into an environment, without a compiler."""
    command = [*PIP, "--python", str(environment), "install", *map(str, words)]
    no_compiler = {**os.environ, "CC": "/bin/false", "CXX": "/bin/false"}
    subprocess.run(command, check=True, env=no_compiler)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The folder of commands of an environment that has the wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("espnet_cbpc", "egs2/TEMPLATE", "conf"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=MADE)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    install(folder / "env", "--no-deps", wheel)
    return folder / "env" / "bin"


@pytest.fixture(scope="module")
def equipped(environment):
    """The same environment, with all that the wheel requires."""
    if os.environ.get("CBPC_WHOLE_INSTALL"):
        (wheel,) = environment.parents[1].glob("*.whl")
        install(environment.parent, wheel)
        return environment
    (site,) = environment.parent.glob("lib/python*/site-packages")
    tests = sysconfig.get_paths()["purelib"]
    (site / "tests.pth").write_text(f"import site; site.addsitedir({tests!r})\n")
    return environment


def call(program, *words, cwd, status=0):
    """Run a program as from a login; returns its standard output."""
    env = {name: os.environ[name] for name in ("LANG", "OMP_NUM_THREADS") if name in os.environ}
    env.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME=str(cwd))
    done = subprocess.run(
        [program, *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_help_needs_no_other_package(environment, tmp_path):
    assert "  transcribe " in call(environment / "espnet-cbpc", "--help", cwd=tmp_path)


def test_a_new_recipe_runs_without_the_repository(equipped, tmp_path):
    call(equipped / "espnet-cbpc", "new", "my_corpus", cwd=tmp_path)
    said = call(tmp_path / "my_corpus" / "run.sh", "--dry_run", cwd=tmp_path)
    assert said.splitlines()[0] == "would run: stage 1, data: not run yet"
    said = call(tmp_path / "my_corpus" / "compare.sh", "--dry_run", "--stage", "13", cwd=tmp_path)
    assert "seed2" in said
    said = call(equipped / "espnet-cbpc", "status", "my_corpus", cwd=tmp_path)
    assert said.splitlines()[0].split() == ["not", "run", "yet", "data"]


def test_it_is_the_wheel_that_is_imported(equipped, tmp_path):
    code = "import espnet_cbpc; print(espnet_cbpc.__file__)"
    said = call(equipped / "python", "-c", code, cwd=tmp_path)
    assert said.startswith(str(equipped.parent))


def test_noisy_speech_becomes_text_and_enhanced_speech(equipped, tmp_path):
    import soundfile
    import tiny_models as tiny
    from espnet2.tasks.enh_s2t import EnhS2TTask

    soundfile.write(tmp_path / "noisy.wav", tiny.speech(tiny.FS), tiny.FS)
    tiny.save_model(tmp_path, "joint", EnhS2TTask, tiny.joint_options())
    model = [f"--{name}={path}" for name, path in tiny.files(tmp_path, "enh_asr", "joint").items()]
    words = ["transcribe", "noisy.wav", *model, "--output_dir", "out"]
    name, text = call(equipped / "espnet-cbpc", *words, cwd=tmp_path).rstrip("\n").split("\t")
    assert name == "noisy.wav" and set(text) <= set("abc <unk>")
    enhanced, _ = soundfile.read(tmp_path / "out" / "enhanced" / "noisy.wav")
    assert len(enhanced) == tiny.FS and enhanced.any()
