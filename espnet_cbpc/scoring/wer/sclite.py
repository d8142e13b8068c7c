# SPDX-License-Identifier: Apache-2.0
"""A second opinion on error counts, where NIST's SCTK is installed."""

import logging
import re
import shutil
import subprocess
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.kaldi.text_rules import read_lines
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts
from espnet_cbpc.utils.cli import listed
from espnet_cbpc.utils.files import atomic_write

# What begins no word to sclite in a trn file, but alternatives, as { one / two }, no word, or a
# comment.
MARK = re.compile(r"\{|(?<!\S)(?:@(?!\S)|;;)")
TOTAL = re.compile(r"^\s*\|\s*Sum\s*\|\s*\d+\s+(\d+)\s*\|\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s", re.M)


def nist_command(program: str) -> Optional[list[str]]:
    """Return how a program of SCTK is called here: by its name, or as ``sctk NAME`` (Debian).

    Returns:
        The beginning of a command line; None where it is not on PATH.
    """
    if shutil.which(program):
        return [program]
    return ["sctk", program] if shutil.which("sctk") else None


def compare_with_sclite(folder: Path, ours: ErrorCounts) -> Optional[ErrorCounts]:
    """Score ``ref.trn`` against ``hyp.trn`` with sclite, and warn where the error rates differ.

    Where words are marks to sclite (``MARK``), the warning says so: here they are words.

    sclite weighs substitutions 4 and the others 3 when it aligns. Of alignments with as few errors
    it therefore takes the one with most words right, and now and then one with more errors, which
    is logged, and no reason to worry.

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
        [*command, "-o", "all", "stdout"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    found, reason = TOTAL.search(done.stdout), _reason(folder)
    if done.returncode or not found:
        why = done.stderr.strip() + reason
        logging.warning("%s: sclite failed, so there is no result.sclite.txt: %s", folder, why)
        return None
    with atomic_write(folder / "result.sclite.txt") as f:
        f.write(done.stdout)
    theirs = ErrorCounts(*map(int, found.groups()))
    if not reason and _its_weights_are_why(ours, theirs):
        more = theirs.errors - ours.errors
        logging.info(
            "%s: sclite counts %d error(s) more than we do, %d: to it a substitution is as bad as "
            "4/3 deletions, so it aligns otherwise",
            *(folder, more, ours.errors),
        )
    elif (theirs.words, theirs.errors) != (ours.words, ours.errors):
        verdict = "counts otherwise" if reason else "DISAGREES"
        logging.warning(
            "%s: sclite %s: it counts %s, we count %s%s", folder, verdict, theirs, ours, reason
        )
    return theirs


def _its_weights_are_why(ours: ErrorCounts, theirs: ErrorCounts) -> bool:
    """Return whether sclite has more errors, but those that it prefers."""
    ours_to_it, theirs_to_it = (
        4 * counts.substitutions + 3 * (counts.deletions + counts.insertions)
        for counts in (ours, theirs)
    )
    more = theirs.errors > ours.errors
    return theirs.words == ours.words and more and theirs_to_it < ours_to_it


def _reason(folder: Path) -> str:
    """Return which words sclite takes for marks, as the end of a message; '' for none."""
    marks: set[str] = set()
    lines = 0
    for name in ("ref.trn", "hyp.trn"):
        for line in read_lines(folder / name):
            found = MARK.findall(line.rpartition("(")[0])  # without the utterance
            marks.update(found)
            lines += bool(found)
    if not marks:
        return ""
    return f"; to sclite {listed(sorted(marks))} in {lines} line(s) are marks, not words"
