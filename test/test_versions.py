# SPDX-License-Identifier: Apache-2.0
"""The tested versions and the requirements: what is compared, and what the user is told."""

import ast
import importlib.metadata
import logging
import platform
import re
import runpy
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from espnet_cbpc import versions
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these versions, and no other packages, are installed."""
    found = {"espnet": "202511", "torch": "2.12.1+cu130"}

    def version(name):
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(platform, "python_version", lambda: "3.11.7")
    monkeypatch.setattr(versions, "TESTED", {"espnet": ">=202511,<202512", "torch": ">=2.12,<2.13"})
    monkeypatch.setattr(versions, "PYTHON", ">=3.10,<3.13")
    return found


def test_tested_versions_pass_in_silence(installed, caplog):
    versions.check_versions()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "name, other, tested",
    [
        ("torch", "2.13.0", ">=2.12,<2.13"),
        ("torch", "2.11.0", ">=2.12,<2.13"),
        ("espnet", "202601", ">=202511,<202512"),
    ],
)
def test_another_version_is_named_beside_the_tested_range(installed, caplog, name, other, tested):
    installed[name] = other
    with caplog.at_level(logging.WARNING):
        versions.check_versions()
    assert caplog.messages == [
        f"{name} {other} is installed, but espnet-cbpc was tested with {name} {tested}"
    ]


def test_nightly_of_a_tested_version_passes(installed, caplog):
    installed["torch"] = "2.12.2.dev20260101"
    versions.check_versions()
    assert caplog.messages == []


def test_another_python_is_an_error_that_names_it(installed, monkeypatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.13.0")
    message = "this is Python 3.13.0, but espnet-cbpc needs Python >=3.10,<3.13"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        versions.check_versions()


def test_missing_package_gives_the_pip_command(installed):
    del installed["torch"]
    message = "torch is not installed; install it with: pip install 'torch>=2.12,<2.13'"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        versions.check_versions()


def test_this_environment_is_a_tested_one(caplog):
    versions.check_versions()
    assert caplog.messages == []


def test_constants_are_read_without_importing_anything_heavy(repository):
    code = (
        "import runpy, sys; v = runpy.run_path(sys.argv[1]); "
        "print(v['PYTHON'], *(m for m in ('torch', 'numpy', 'espnet_cbpc') if m in sys.modules))"
    )
    path = repository / "espnet_cbpc" / "versions.py"
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == versions.PYTHON


@pytest.fixture
def metadata(repository, monkeypatch):
    """Return what setup.py hands to setuptools."""
    import setuptools

    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    runpy.run_path(str(repository / "setup.py"))
    return given


def test_setup_requires_what_can_be_installed_and_leaves_torch_to_espnet(repository, metadata):
    required = {r.name: r.specifier for r in map(Requirement, metadata["install_requires"])}
    assert str(required["espnet"]) == versions.ESPNET and str(required["torch"]) == ""
    for name in set(versions.TESTED) - {"torch"}:  # the oldest that was tested can be installed
        oldest = min(s.version for s in Requirement(f"{name}{versions.TESTED[name]}").specifier)
        assert required[name].contains(oldest)
    assert metadata["python_requires"] == versions.PYTHON
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE).group(1) == metadata["version"]
    extras = metadata["extras_require"]
    everything = {package for name in extras for package in extras[name]}
    assert set(extras["all"]) == everything and set(extras["test"]) < everything


def imported(path):
    """Yield the top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="needs sys.stdlib_module_names")
def test_whatever_the_package_imports_is_required(repository, metadata):
    packages = {
        "espnet2": "espnet",
        "espnet3": "espnet",
        "PIL": "pillow",
        "faiss": "faiss-cpu",
        "sklearn": "scikit-learn",
        "whisper": "openai-whisper",
        "yaml": "pyyaml",
    }
    required = {r.name for r in map(Requirement, metadata["install_requires"])}
    required |= {r.name for r in map(Requirement, metadata["extras_require"]["all"])}
    required |= {*sys.stdlib_module_names, "espnet_cbpc"}
    files = sorted((repository / "espnet_cbpc").rglob("*.py"))
    assert files
    missing = {
        f"{path.relative_to(repository)}: {name}"
        for path in files
        for name in imported(path)
        if packages.get(name, name.replace("_", "-")) not in required and name not in required
    }
    assert missing == set()


def test_every_dependency_is_in_the_table_of_the_contributing_page(repository, metadata):
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    row = r"^\| `(\S+)` \| ([\w, ]+) \| [^|]+ \| [^|]+ \| \d{4}-\d\d \|$"
    told = {name: set(where.split(", ")) for name, where in re.findall(row, text, re.M)}
    assert len(told) == len(re.findall(r"^\| `", text, re.M))
    wanted = {Requirement(r).name: {"core"} for r in metadata["install_requires"]}
    for extra, packages in metadata["extras_require"].items():
        for name in (Requirement(package).name for package in packages):
            if extra != "all":
                wanted.setdefault(name, set()).add(extra)
    assert told == {name: extras - {"test"} or {"test"} for name, extras in wanted.items()}
