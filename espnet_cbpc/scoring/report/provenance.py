# SPDX-License-Identifier: Apache-2.0
"""What results were made with: date, commit, versions."""

import platform
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Optional

import espnet_cbpc

HERE = Path(espnet_cbpc.__file__).parent


def provenance(folder: Path = HERE) -> dict[str, str]:
    """Return date, commit (where ``folder`` lies in a git repository) and versions."""
    facts = {"date": date.today().isoformat()}
    commit = _commit(folder)
    if commit:
        facts["commit"] = commit
    facts["espnet_cbpc"] = espnet_cbpc.__version__
    for package in ("espnet", "torch"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    facts["python"] = platform.python_version()
    return facts


def _commit(folder: Path) -> Optional[str]:
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    changes = _git(folder, "status", "--porcelain")
    if head is None or changes is None:
        return None
    return head + (" with uncommitted changes" if changes else " (clean)")


def _git(folder: Path, *arguments: str) -> Optional[str]:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
