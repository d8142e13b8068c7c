# SPDX-License-Identifier: Apache-2.0
"""Repair of data directories: unambiguous faults, and on demand by dropping utterances."""

import io
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from espnet_cbpc.data.kaldi.kaldi_dir import CATEGORIES, speakers, table_names
from espnet_cbpc.data.kaldi.table import Table, read_table, scan_table, split_line, write_table
from espnet_cbpc.data.kaldi.text_rules import read_text, tidied
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike, atomic_write


def repair_data_dir(
    directory: PathLike, drop: bool = False, require_text: bool = True
) -> Iterator[str]:
    """Repair a data directory where it lies, file by file.

    Always: lines are sorted; white space at their ends, carriage returns, byte order marks, empty
    lines and repeated equal lines go; one blank stands between id and value and between the words
    of transcripts; ``spk2utt`` is derived from ``utt2spk``. The originals of what is changed are
    kept in ``backup.<date and time>`` inside the directory.

    Args:
        directory: the data directory.
        drop: also take out of all tables the utterances that are not complete: without audio,
            speaker, transcript, known category, or clean reference of a SIMU one.
        require_text: whether an utterance without a transcript is incomplete although there is no
            ``text`` at all.

    Yields:
        What was done to a file.

    Raises:
        UserError: no such directory, no utterance would be left, or what is complete is unclear
            (an unreadable table, one id with two values); other faults remain and are not raised.
    """
    path = Path(directory)
    if not path.is_dir():
        raise UserError(f"{path}: no such data directory")
    backup = path / f"backup.{datetime.now():%Y%m%dT%H%M%S.%f}"
    for name in table_names(path, require_text=False):
        yield from _tidy(path / name, backup)
    if drop:
        yield from _drop(path, backup, require_text)
    yield from _derive_spk2utt(path, backup)
    if backup.exists():
        yield f"{backup}: the files as they were"


def _keep(file: Path, backup: Path) -> None:
    """Copy a file to the backup before its first change."""
    backup.mkdir(exist_ok=True)
    if file.exists() and not (backup / file.name).exists():
        shutil.copy2(file, backup)


def _tidy(file: Path, backup: Path) -> Iterator[str]:
    try:
        text = read_text(file)
    except UserError:
        return  # stays a fault
    raw = list(io.StringIO(text, newline=""))  # with whatever ends them
    pairs = [split_line(line) for line in raw]
    if file.name == "text":
        pairs = [(key, tidied(value)) for key, value in pairs]
    lines = [f"{key} {value}".rstrip() + "\n" for key, value in pairs]
    kept = sorted({line for line in lines if line.strip()}, key=_first_word)
    if kept == raw:
        return
    empty = sum(not key for key, _ in pairs)
    counts = {
        "with stray white space": sum(a != b for a, b in zip(raw, lines) if b.strip()),
        "empty": empty,
        "repeated": len(lines) - empty - len(kept),
    }
    _keep(file, backup)
    with atomic_write(file) as f:
        f.writelines(kept)
    shown = [f"{count} line(s) {what}" for what, count in counts.items() if count]
    ids = [key for key, _ in pairs if key]
    shown += ["sorted"] if ids != sorted(ids) else []
    yield f"{file}: {', '.join(shown)}"


def _first_word(line: str) -> tuple[str, str]:
    return split_line(line)[0], line


def _drop(path: Path, backup: Path, require_text: bool) -> Iterator[str]:
    names = table_names(path, require_text)
    tables = {name: read_table(path / name, allow_empty=True) for name in names}
    complete = _complete(tables)
    if not complete:
        raise UserError(f"{path}: not one utterance is complete: put the files themselves right")
    for name, table in tables.items():
        kept = {key: value for key, value in table.items() if key in complete and value}
        if len(kept) < len(table):
            _keep(path / name, backup)
            write_table(path / name, kept)
            lost = sorted(table.keys() - kept.keys())
            yield f"{path / name}: {len(lost)} utterance(s) dropped ({listed(lost)})"


def _complete(tables: dict[str, Table]) -> set[str]:
    """Return the ids of which each table that must say something does."""
    complete = {key for key, value in tables["wav.scp"].items() if value}
    for name in ("utt2spk", "text", "utt2category"):
        if name in tables:
            complete &= {key for key, value in tables[name].items() if value}
    categories = tables.get("utt2category", {})
    references = tables.get("spk1.scp", {})
    return {
        key
        for key in complete
        if categories.get(key, CATEGORIES[0]) in CATEGORIES
        and (categories.get(key) != "SIMU" or references.get(key))
    }


def _derive_spk2utt(path: Path, backup: Path) -> Iterator[str]:
    file = path / "spk2utt"
    try:
        expected = speakers(read_table(path / "utt2spk"))
        if file.exists() and scan_table(file) == (expected, []):
            return
        _keep(file, backup)
        write_table(file, expected)
    except UserError:
        return  # utt2spk must be put right first
    yield f"{file}: derived from utt2spk"
