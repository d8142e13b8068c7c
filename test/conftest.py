"""What the tests share: few threads, and the real speech and noise where they are at hand."""

import os
from pathlib import Path

import pytest

# Before anything imports torch or numpy; the models here are too small for many threads.
os.environ.setdefault("OMP_NUM_THREADS", "2")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder that holds ``fsdd/`` and ``nonspeech/``, or skip the test."""
    folder = Path(os.environ.get("CBPC_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "fsdd").is_dir() or not (folder / "nonspeech").is_dir():
        pytest.skip(
            "SKIPPED: real speech and noise not found beside the repository (../shared/data); "
            "set CBPC_SHARED_DATA"
        )
    return folder
