"""Kaldi tables: files of lines ``id value``, sorted by id in C order."""

import re
from pathlib import Path
from typing import Dict, List, Mapping, Tuple, Union

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

Table = Dict[str, str]

UNIQUE = "ids must be unique"
SORT = "sort the file with LC_ALL=C sort"


def split_line(line: str) -> Tuple[str, str]:
    """Return id and value of a line, '' for what is not there."""
    key, value = (re.split(r"[ \t]+", line.strip(" \t\r\n"), maxsplit=1) + [""])[:2]
    return key, value


def read_table(
    path: Union[str, Path], allow_empty: bool = False, in_order: bool = True
) -> Table:
    """Read a table.

    Args:
        path: the file, UTF-8.
        allow_empty: take a line with an id alone as an empty value.
        in_order: whether the ids must be sorted in C order.

    Returns:
        The values by id, in file order.

    Raises:
        UserError: no such file, not UTF-8, a line without id or value, an id that comes twice or
            out of order; all kinds of faults, each in one line.
    """
    table, faults = scan_table(path, allow_empty, in_order)
    if faults:
        raise UserError("\n".join(faults))
    return table


def scan_table(
    path: Union[str, Path], allow_empty: bool = False, in_order: bool = True
) -> Tuple[Table, List[str]]:
    """Read a table whatever its lines are like; see :func:`read_table` for the arguments.

    Returns:
        The values by id, the first one of an id that comes twice; and one message for each kind of
        fault.

    Raises:
        UserError: no such file, or not UTF-8.
    """
    table: Table = {}
    faults: Dict[str, List[Tuple[int, str]]] = {}  # by remedy: lines and what is wrong there
    last = ""
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                key, value = split_line(line)
                if not key:
                    faults.setdefault("remove it", []).append((number, "empty line"))
                    continue
                if not value and not allow_empty:
                    remedy = "complete or remove the line"
                    faults.setdefault(remedy, []).append((number, f"'{key}' has no value"))
                if key in table:
                    faults.setdefault(UNIQUE, []).append((number, f"'{key}' comes twice"))
                elif in_order and key < last:
                    faults.setdefault(SORT, []).append((number, f"'{key}' comes after '{last}'"))
                table.setdefault(key, value)
                last = key
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text ({e}): convert the file") from e
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    return table, [_message(path, found, remedy) for remedy, found in faults.items()]


def _message(path: Union[str, Path], found: List[Tuple[int, str]], remedy: str) -> str:
    (number, what), *others = found
    more = f" (the like in lines {listed(n for n, _ in others)})" if others else ""
    return f"{path}:{number}: {what}{more}: {remedy}"


def write_table(path: Union[str, Path], table: Mapping[str, str]) -> None:
    """Write ``table`` as lines ``id value``, sorted by id in C order, whole or not at all.

    Raises:
        UserError: an id is empty or holds white space, or a value spans lines.
    """
    for key, value in table.items():
        if not key or re.search(r"\s", key):
            raise UserError(f"{path}: id '{key}' is empty or holds white space: rename it")
        if "\n" in value or "\r" in value:
            raise UserError(f"{path}: the value of '{key}' holds a line break: remove it")
    with atomic_write(path) as f:
        f.writelines(f"{key} {table[key]}".strip(" \t") + "\n" for key in sorted(table))
