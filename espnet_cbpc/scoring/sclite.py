"""A second opinion on error counts, where NIST's sclite is installed."""

import logging
import re
import shutil
import subprocess
from pathlib import Path
from typing import Optional

from espnet_cbpc.scoring.error_counts import ErrorCounts
from espnet_cbpc.utils.files import atomic_write

TOTAL = re.compile(r"^\s*\|\s*Sum\s*\|\s*\d+\s+(\d+)\s*\|\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s", re.M)


def compare_with_sclite(folder: Path, ours: ErrorCounts) -> Optional[ErrorCounts]:
    """Score ``ref.trn`` against ``hyp.trn`` with sclite, and warn where the totals differ.

    sclite weighs substitutions 4 and the others 3 when it aligns, so it may now and then count
    more errors than the edit distance has.

    Args:
        folder: with the two files; ``result.sclite.txt`` is written there.
        ours: the totals to compare with.

    Returns:
        sclite's totals, or None where it is not on PATH or its report is not understood.
    """
    if shutil.which("sclite") is None:
        return None
    command = ["sclite", "-s", "-r", "ref.trn", "trn", "-h", "hyp.trn", "trn", "-i", "rm"]
    done = subprocess.run(
        [*command, "-o", "all", "stdout"], cwd=folder, capture_output=True, text=True, check=False
    )
    found = TOTAL.search(done.stdout)
    if done.returncode or not found:
        logging.warning(
            "%s: sclite failed, so there is no result.sclite.txt: %s", folder, done.stderr.strip()
        )
        return None
    with atomic_write(folder / "result.sclite.txt") as f:
        f.write(done.stdout)
    theirs = ErrorCounts(*map(int, found.groups()))
    if theirs != ours:
        logging.warning("%s: sclite DISAGREES: it counts %s, we count %s", folder, theirs, ours)
    return theirs
