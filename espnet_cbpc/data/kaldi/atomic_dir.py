# SPDX-License-Identifier: Apache-2.0
"""Directories that are written atomically."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_cbpc.utils.cli import UserError, shown
from espnet_cbpc.utils.files import PathLike

MARKS = ("wav.scp", "utt2spk")  # what makes a folder a data directory, and ours to replace


@contextmanager
def whole_directory(directory: PathLike, is_data_directory: bool = True) -> Iterator[Path]:
    """Give a temporary sibling to fill, which takes the name ``directory`` if the block succeeds.

    An earlier directory of that name is replaced; of a link to another disk, what it leads to. If
    the block raises, it stays as it was and nothing is left behind; what a killed run left is
    cleared by the next one.

    Args:
        directory: the directory to appear; its parents are made.
        is_data_directory: only replace what holds a data directory's files: for names that a user
            gives. Not for folders of our own.

    Yields:
        The empty temporary directory.

    Raises:
        UserError: ``directory`` is a file, holds something other than a data directory, or has a
            path that tables cannot hold.
    """
    if shown(directory) != str(directory):
        raise UserError(f"{shown(directory)}: the path is not UTF-8: choose another folder")
    directory = Path(directory).resolve()  # where it is a link, that stays
    _check_replaceable(directory, is_data_directory)
    temporary = directory.with_name(f".{directory.name}.new")
    outgoing = directory.with_name(f".{directory.name}.old")
    for leftover in (temporary, outgoing):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if directory.exists():
            directory.rename(outgoing)
        temporary.rename(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if outgoing.exists() and not directory.exists():
            outgoing.rename(directory)
        raise
    shutil.rmtree(outgoing, ignore_errors=True)


def _check_replaceable(directory: Path, is_data_directory: bool) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UserError(f"{directory} is a file where a directory is to be written: remove it")
    ours = any((directory / name).exists() for name in MARKS)
    if is_data_directory and not ours and any(directory.iterdir()):
        raise UserError(
            f"{directory} exists and is not a data directory (no {' or '.join(MARKS)}): "
            "choose another output directory, or remove this one"
        )


def check_apart(in_dir: PathLike, out_dir: PathLike) -> None:
    """Raise ``UserError`` if the output would replace its own input."""
    if Path(in_dir).resolve() == Path(out_dir).resolve():
        raise UserError(f"{out_dir} is both input and output: choose another output directory")
