# SPDX-License-Identifier: Apache-2.0
"""Folders of audio files, searched with their sub-folders."""

import logging
import os
from pathlib import Path

from espnet_cbpc.utils.cli import UserError, listed, shown
from espnet_cbpc.utils.files import PathLike

# The formats of libsndfile that corpora come in.
SUFFIXES = (
    ".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus", ".sph",
    ".w64", ".wav", ".wv1",
)  # fmt: skip


def find_files(folder: PathLike, suffixes: tuple) -> list[str]:
    """Return the paths, below a folder, of all files with one of some suffixes.

    Linked folders are entered; hidden files and folders are not. A folder that is there by several
    names, as by a link to a folder above it, is entered once, by its own name if it has one there.

    Args:
        folder: where to look.
        suffixes: lower case; the files' may be in any case.

    Returns:
        Paths relative to ``folder`` with ``/``, sorted by code point on any file system.

    Raises:
        UserError: names that are not UTF-8, which no table can hold.
    """
    top = Path(folder)
    entered = {os.fspath(above) for above in top.resolve().parents}
    folders, found = [top], []
    links: list[Path] = []
    while folders or links:
        parent = (folders or links).pop(0)
        real = os.path.realpath(parent)
        if real in entered:
            continue
        entered.add(real)
        for path in (parent / name for name in _names_in(parent) if not name.startswith(".")):
            if os.path.isdir(path):
                (links if path.is_symlink() else folders).append(path)
            elif path.name.lower().endswith(suffixes):
                found.append(path.relative_to(top).as_posix())
    _check_names(top, found)
    return sorted(found)


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as e:  # such as lost+found, at the top of a disk
        logging.warning("%s: not searched (%s)", folder, e.strerror)
        return []


def _check_names(folder: Path, names: list[str]) -> None:
    odd = [shown(name) for name in names if shown(name) != name]
    if odd:
        raise UserError(
            f"{folder}: {len(odd)} file name(s) are not UTF-8 ({listed(odd)}): rename them, "
            "for example with convmv -f cp1252 -t utf-8"
        )


def find_audio(folder: PathLike, what: str) -> list[str]:
    """Return the paths of all audio files below a folder; see :func:`find_files`.

    Args:
        folder: where to look.
        what: what the files are, for errors.

    Raises:
        UserError: no folder is named, there is no such folder, or there is no audio in it.
    """
    if not str(folder):
        raise UserError(f"no folder given for {what}: set its variable in db.sh, or its option")
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder ({what}): correct the path")
    found = find_files(folder, SUFFIXES)
    if not found:
        raise UserError(f"{folder}: no audio files ({what}), that is none of {' '.join(SUFFIXES)}")
    return found
