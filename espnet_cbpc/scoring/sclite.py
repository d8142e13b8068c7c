"""A second opinion on error counts, where NIST's SCTK is installed."""

import logging
import re
import shutil
import subprocess
from pathlib import Path
from typing import List, Optional

from espnet_cbpc.scoring.error_counts import ErrorCounts
from espnet_cbpc.utils.files import atomic_write

TOTAL = re.compile(r"^\s*\|\s*Sum\s*\|\s*\d+\s+(\d+)\s*\|\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s", re.M)


def nist_command(program: str) -> Optional[List[str]]:
    """Return how a program of SCTK is called here: by its name, or as ``sctk NAME`` (Debian).

    Returns:
        The beginning of a command line; None where it is not on PATH.
    """
    if shutil.which(program):
        return [program]
    return ["sctk", program] if shutil.which("sctk") else None


def compare_with_sclite(folder: Path, ours: ErrorCounts) -> Optional[ErrorCounts]:
    """Score ``ref.trn`` against ``hyp.trn`` with sclite, and warn where the error rates differ.

    sclite weighs substitutions 4 and the others 3 when it aligns. Of alignments with as few errors
    it therefore takes the one with most words right, and now and then one with more errors.

    Args:
        folder: with the two files; ``result.sclite.txt`` is written there.
        ours: the totals to compare with.

    Returns:
        sclite's totals, or None where it is not on PATH or its report is not understood.
    """
    sclite = nist_command("sclite")
    if sclite is None:
        return None
    command = [*sclite, "-s", "-r", "ref.trn", "trn", "-h", "hyp.trn", "trn", "-i", "rm"]
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
    if (theirs.words, theirs.errors) != (ours.words, ours.errors):
        logging.warning("%s: sclite DISAGREES: it counts %s, we count %s", folder, theirs, ours)
    return theirs
