# SPDX-License-Identifier: Apache-2.0
"""Check that the files of CHiME-4 exist and are complete; of the audio only headers are read."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Union

from espnet_cbpc.data.audio.audio_file import AudioError, read_header
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.parallel import parallel_map

FS = 16000
OBTAIN = "unpack that part of CHiME-4 (LDC2017S24) again, or correct CHIME4 in db.sh"


@cache
def names_in(folder: Path) -> frozenset[str]:
    """Return the names in a folder; of none, nothing."""
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()


def check_files(paths: Iterable[Union[str, Path]], what: str, nj: int) -> dict[Path, int]:
    """Check that files exist and, by their headers, complete, mono and at 16 kHz.

    Args:
        paths: the files.
        what: what they are, for errors and the progress line.
        nj: processes.

    Returns:
        The samples of each.

    Raises:
        UserError: files are missing or faulty; it says how many, where, and what to do.
    """
    paths = [Path(path) for path in paths]
    missing = [path for path in paths if path.name not in names_in(path.parent)]
    if missing:
        raise UserError(
            f"{what}: {len(missing)} of {len(paths)} files are missing ({listed(missing)}): "
            f"{OBTAIN}"
        )
    found = list(parallel_map(_length, paths, len(paths), nj, f"check {what}"))
    faults = [fault for _, fault in found if fault]
    if faults:
        raise UserError(
            f"{what}: {len(faults)} of {len(paths)} files cannot be used ({listed(faults)}): "
            f"{OBTAIN}"
        )
    return {path: length for path, (length, _) in zip(paths, found)}


def _length(path: Path) -> tuple[int, str]:
    """Return the samples of a file, and what is wrong with it."""
    try:
        length, rate = read_header(path, mono=True)
    except AudioError as e:
        return 0, str(e)
    return length, "" if rate == FS else f"{path}: {rate} Hz instead of {FS} Hz"
