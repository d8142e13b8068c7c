# SPDX-License-Identifier: Apache-2.0
"""Archives made on one release of ESPnet compute the same on the other, both ways.

OTHER_PYTHON names a Python that has the other release and what this package needs.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from espnet_cbpc.compat.releases import espnet_release

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("other_release.py")
OTHER = os.environ.get("OTHER_PYTHON")

pytestmark = pytest.mark.skipif(
    not OTHER, reason="SKIPPED: needs a Python with another release of ESPnet: set OTHER_PYTHON"
)


def run(python, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_other_python_has_another_release():
    code = "from espnet_cbpc.compat.releases import espnet_release as r; print(r())"
    assert run(OTHER, "-c", code).strip() != espnet_release()


@pytest.mark.parametrize("maker", [OTHER, sys.executable], ids=["from_other", "from_here"])
def test_text_and_waveform_are_equal_on_both(tmp_path, maker):
    run(maker, SCRIPT, "make", tmp_path)
    found = []
    for i, python in enumerate((OTHER, sys.executable)):
        out = tmp_path / f"{i}.npz"
        run(python, SCRIPT, "compute", tmp_path / "enh_asr.zip", tmp_path / "speech.npy", out)
        found.append(np.load(out))
    here, there = found
    assert str(here["text"]) == str(there["text"]) and len(str(here["text"])) > 3
    np.testing.assert_allclose(here["wave"], there["wave"], atol=1e-5)
    assert {str(result["stock"]) for result in found} == {str(here["text"])}  # without this package
