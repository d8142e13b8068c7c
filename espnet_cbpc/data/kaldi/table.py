# SPDX-License-Identifier: Apache-2.0
"""Kaldi tables: files of lines ``id value``, sorted by id in C order."""

import io
import re
from collections.abc import Mapping

from espnet_cbpc.data.kaldi.text_rules import BOM, as_id, odd_space, read_text
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike, atomic_write

Table = dict[str, str]

UNIQUE = "ids must be unique"
SORT = "sort the file with LC_ALL=C sort"
FIX = "run validate_data_dir --fix"
_BEFORE_VALUE = re.compile(r"\s*\S*\s*")


def split_line(line: str) -> tuple[str, str]:
    """Return id and value of a line, '' for what is missing."""
    key, value = (*line.lstrip(BOM).split(maxsplit=1), "", "")[:2]
    return key, value.rstrip()


def read_table(path: PathLike, allow_empty: bool = False, strict: bool = True) -> Table:
    """Read a table.

    Args:
        path: the file, UTF-8.
        allow_empty: take a line with an id alone as an empty value.
        strict: whether it must be as other programs, too, want it: ids sorted in C order, parted
            from values by blanks or tabs, and no byte order mark.

    Returns:
        The values by id, in file order.

    Raises:
        UserError: no such file, not UTF-8, a line without id or value, an id that occurs twice, or
            what ``strict`` forbids; all kinds of faults, each in one line.
    """
    table, faults = scan_table(path, allow_empty, strict)
    if faults:
        raise UserError("\n".join(faults))
    return table


def scan_table(
    path: PathLike, allow_empty: bool = False, strict: bool = True, is_text: bool = False
) -> tuple[Table, list[str]]:
    """Read a table whatever its lines are like; see :func:`read_table` for the arguments.

    Args:
        is_text: whether its values are transcripts, in which no white space but blanks may be.

    Returns:
        The values by id, the first one of an id that occurs twice; and one message for each kind of
        fault.

    Raises:
        UserError: no such file, or not UTF-8.
    """
    table: Table = {}
    faults: dict[str, list[tuple[int, str]]] = {}  # by remedy: lines and what is wrong there
    last = ""
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), 1):
        key, value = split_line(line)
        odd = _odd_space(line, is_text) if strict else ""
        if odd:
            faults.setdefault(FIX, []).append((number, f"{odd} in the line of '{key}'"))
        if not key:
            faults.setdefault("remove it", []).append((number, "empty line"))
            continue
        if not value and not allow_empty:
            remedy = "complete or remove the line"
            faults.setdefault(remedy, []).append((number, f"'{key}' has no value"))
        if key in table:
            faults.setdefault(UNIQUE, []).append((number, f"'{key}' comes twice"))
        elif strict and key < last:
            faults.setdefault(SORT, []).append((number, f"'{key}' comes after '{last}'"))
        table.setdefault(key, value)
        last = key
    return table, [_message(path, found, remedy) for remedy, found in faults.items()]


def _odd_space(line: str, is_text: bool) -> str:
    """Return what stands in a line where there may be blanks only, or tabs before the value."""
    if not odd_space(line.rstrip("\n")):
        return ""
    found = _BEFORE_VALUE.match(line)
    value = found.end() if found else 0
    before = line[:value].replace("\t", " ").rstrip("\n")
    return odd_space(before + (line[value:].rstrip(" \t\n") if is_text else ""))


def _message(path: PathLike, found: list[tuple[int, str]], remedy: str) -> str:
    (number, what), *others = found
    more = f" (the like in lines {listed(n for n, _ in others)})" if others else ""
    return f"{path}:{number}: {what}{more}: {remedy}"


def write_table(path: PathLike, table: Mapping[str, str]) -> None:
    """Write ``table`` as lines ``id value``, sorted by id in C order, atomically.

    Raises:
        UserError: an id is empty or holds white space, a value spans lines, or either is not UTF-8.
    """
    for key, value in table.items():
        if not key or as_id(key) != key:
            raise UserError(f"{path}: id '{key}' is empty or holds white space: rename it")
        if "\n" in value or "\r" in value:
            raise UserError(f"{path}: the value of '{key}' holds a line break: remove it")
    with atomic_write(path) as f:
        f.writelines(f"{key} {table[key]}".strip(" \t") + "\n" for key in sorted(table))
