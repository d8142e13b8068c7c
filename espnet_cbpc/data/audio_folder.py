"""Folders of audio files, searched with their sub-folders."""

import os
from pathlib import Path
from typing import List, Union

from espnet_cbpc.utils.cli import UserError

# The formats of libsndfile that corpora come in.
SUFFIXES = (
    ".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus", ".sph",
    ".w64", ".wav", ".wv1",
)  # fmt: skip


def find_files(folder: Union[str, Path], suffixes: tuple) -> List[str]:
    """Return the paths, below a folder, of all files with one of some suffixes.

    Linked folders are entered; hidden files and folders are not.

    Args:
        folder: where to look.
        suffixes: lower case; the files' may be in any case.

    Returns:
        Paths relative to ``folder`` with ``/``, sorted by code point whatever the file system says.
    """
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = (n for n in files if n.lower().endswith(suffixes) and not n.startswith("."))
        found += [Path(parent, name).relative_to(folder).as_posix() for name in names]
    return sorted(found)


def find_audio(folder: Union[str, Path], what: str) -> List[str]:
    """Return the paths of all audio files below a folder; see :func:`find_files`.

    Args:
        folder: where to look.
        what: what the files are, for errors.

    Raises:
        UserError: no folder is named, there is no such folder, or there is no audio in it.
    """
    if not str(folder):
        raise UserError(f"no folder of {what} is named: set its variable in db.sh, or its option")
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder ({what}): correct the path")
    found = find_files(folder, SUFFIXES)
    if not found:
        raise UserError(f"{folder}: no audio files ({what}), that is none of {' '.join(SUFFIXES)}")
    return found
