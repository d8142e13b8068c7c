# SPDX-License-Identifier: Apache-2.0
"""A corpus in one folder: its location, its source, and whether it is complete."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_cbpc.data.audio.audio_file import AudioError, check_sounding
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike


class Corpus(NamedTuple):
    """A corpus that is downloaded where the user has no copy.

    Attributes:
        variable: its name in db.sh.
        url: the archive of the original.
        folder: the folder inside the original that holds the files.
        files: pattern of their names.
    """

    variable: str
    url: str
    folder: str
    files: str


def obtain(corpus: Corpus, given: str, url: str, downloads: PathLike) -> Path:
    """Return the folder with the corpus's files, downloaded where the user has named none.

    Args:
        corpus: which one.
        given: the user's folder: the files themselves, or the unpacked original around them; or
            empty.
        url: the archive to download.
        downloads: where downloads are kept; one that is complete is used again.

    Raises:
        UserError: no such folder, no files of the corpus in it, or a failed download.
    """
    if given:
        root = Path(given)
        remedy = f"correct {corpus.variable} in db.sh, or leave it empty to download the corpus"
        if not root.is_dir():
            raise UserError(f"{corpus.variable}={given}: no such folder: {remedy}")
    else:
        root = Path(downloads) / corpus.variable.lower()
        remedy = f"remove {root} to download it again"
        _fetch(corpus, url, root)
    for folder in (root, root / corpus.folder, *sorted(root.glob(f"*/{corpus.folder}"))):
        if next(folder.glob(corpus.files), None):
            return folder
    raise UserError(f"{root}: no {corpus.files} is here, nor in {corpus.folder}/: {remedy}")


def _fetch(corpus: Corpus, url: str, root: Path) -> None:
    try:
        download.obtain(url, root)
    except UserError as e:
        raise UserError(
            f"{e}; or set {corpus.variable}=<folder> in db.sh if you have a copy"
        ) from e


def lengths(corpus: Corpus, folder: Path, names: Sequence[str], rate: int) -> dict[str, int]:
    """Check every file of a corpus of mono files at one rate, and return its samples by name.

    Args:
        corpus: which one.
        folder: where the files are.
        names: of all of them.
        rate: sampling rate in Hz.

    Raises:
        UserError: files are missing, truncated, unreadable, silent, or of another rate or channel
            count.
    """
    check_whole(corpus, folder, names, [name for name in names if not (folder / name).is_file()])
    samples: dict[str, int] = {}
    faults = []
    for name in names:
        try:
            samples[name], found = check_sounding(folder / name)
        except AudioError as e:
            faults.append(f"{name}: {e.problem}")
            continue
        if found != rate:
            faults.append(f"{name}: {found} Hz instead of {rate} Hz")
    if faults:
        raise UserError(
            f"{folder}: {len(faults)} of {len(names)} files cannot be used "
            f"({listed(faults)}): restore the original files"
        )
    return samples


def check_whole(
    corpus: Corpus, folder: Path, wanted: Sequence[str], missing: Sequence[str]
) -> None:
    """Raise a :class:`UserError` that names what is missing, if anything is."""
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(wanted)} files are missing ({listed(missing)}): "
            f"complete the folder, or leave {corpus.variable} empty in db.sh to download it"
        )
