# SPDX-License-Identifier: Apache-2.0
"""A folder of clean speech in the layouts that corpora come in: files, speakers, transcripts."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Optional

from espnet_cbpc.data.audio.audio_file import check_sounding
from espnet_cbpc.data.audio.audio_folder import find_audio, find_files
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.table import Table, read_table
from espnet_cbpc.data.kaldi.text_rules import as_id, names_a_file, read_words, tidied
from espnet_cbpc.utils.cli import UserError, gathered, listed
from espnet_cbpc.utils.files import PathLike


@dataclass(frozen=True)
class Recording:
    """One file of clean speech.

    Attributes:
        id: utterance id, which begins with the speaker.
        file: path below the folder, with ``/``.
        speaker: who speaks.
        text: the words; empty if the corpus has no transcripts.
    """

    id: str
    file: str
    speaker: str
    text: str


def read_speech_folder(
    folder: PathLike, text: Optional[PathLike] = None, utt2spk: Optional[PathLike] = None
) -> list[Recording]:
    """List the recordings of a folder with their speakers and transcripts.

    In tables a file goes by its name without suffix where that is unique in the folder, and always
    by its path without suffix (with / or - between folders). Transcripts are the first of these
    that is there: the table ``text``; a ``.txt`` beside each file; tables ``*.trans.txt`` beside
    the files, as in LibriSpeech; none. The speaker is that of the table ``utt2spk`` where that is
    there, else the name of the file's folder, and with ``*.trans.txt`` of the folder above it,
    since LibriSpeech's folders are ``<speaker>/<chapter>``.

    Args:
        folder: audio in any format of libsndfile, in any sub-folders.
        text: table of the transcripts; None: ``text`` in the folder, if there.
        utt2spk: table of the speakers; None: ``utt2spk`` in the folder, if there.

    Returns:
        The recordings, sorted by id.

    Raises:
        UserError: no audio, a malformed table, files without transcript or speaker where others
            have one, or ids that would be alike.
    """
    files = find_audio(folder, "clean speech")
    names = _names(files)
    root = Path(folder)
    trans = find_files(folder, (".trans.txt",))
    texts = _texts(root, text, files, names, trans)
    table = _given(utt2spk, root / "utt2spk")
    if table:
        speakers = _by_file(read_table(table, strict=False), files, names, table, "speaker")
    else:
        speakers = {file: _folder_name(root, file, levels=2 if trans else 1) for file in files}
    recordings = [
        Recording(
            _id(speakers[file], names[file]), file, as_id(speakers[file]), tidied(texts[file])
        )
        for file in files
    ]
    _check_ids(root, recordings)
    return sorted(recordings, key=lambda recording: recording.id)


def _names(files: list[str]) -> dict[str, str]:
    """Return the name of each file: its stem, or its path without suffix where stems repeat."""
    stems = Counter(PurePosixPath(file).stem for file in files)
    paths = {file: str(PurePosixPath(file).with_suffix("")) for file in files}
    return {
        file: path if stems[PurePosixPath(file).stem] > 1 else PurePosixPath(file).stem
        for file, path in paths.items()
    }


def _given(path: Optional[PathLike], default: Path) -> Optional[Path]:
    """Return the table that the user names, else the default one if it exists."""
    if path:
        return Path(path)
    return default if default.is_file() else None


def _texts(
    root: Path, text: Optional[PathLike], files: list[str], names: dict[str, str], trans: list[str]
) -> dict[str, str]:
    table = _given(text, root / "text")
    if table:
        return _by_file(read_table(table, strict=False), files, names, table, "transcript")
    beside = {file: root / PurePosixPath(file).with_suffix(".txt") for file in files}
    if any(path.is_file() for path in beside.values()):
        words = gathered(read_words, beside, "transcripts")
        return _complete(words, files, f"{root} (.txt beside the audio)", "transcript")
    if trans:
        read = partial(read_table, strict=False)
        tables = gathered(read, {file: root / file for file in trans}, "transcript files")
        lines = {
            str(PurePosixPath(file).parent / key): value
            for file, table in tables.items()
            for key, value in table.items()
        }
        return _by_file(lines, files, names, f"{root} (*.trans.txt)", "transcript")
    logging.warning(
        "%s: no transcripts (text, .txt files or *.trans.txt): the data will have no text", root
    )
    return dict.fromkeys(files, "")


def _by_file(
    table: Table, files: list[str], names: dict[str, str], where: PathLike, what: str
) -> dict[str, str]:
    """Look each file up by its name or its path without suffix."""
    found = {}
    for file in files:
        path = str(PurePosixPath(file).with_suffix(""))
        keys = (names[file], path, path.replace("/", "-"))
        found[file] = next((table[key] for key in keys if key in table), "")
    return _complete(found, files, where, what)


def _complete(
    values: dict[str, str], files: list[str], where: PathLike, what: str
) -> dict[str, str]:
    missing = [file for file in files if not values[file]]
    if missing:
        raise UserError(
            f"{where}: no {what} for {len(missing)} of {len(files)} audio files "
            f"({listed(missing)}): add them, or remove these files from the folder"
        )
    return values


def _folder_name(root: Path, file: str, levels: int) -> str:
    parts = (*root.resolve().parts[-levels:], *PurePosixPath(file).parts[:-1])
    return parts[-levels]


def _id(speaker: str, name: str) -> str:
    """Put the speaker in front, so that sorting by id sorts by speaker; no folders, no blanks."""
    speaker, name = as_id(speaker), as_id(name).replace("/", "-").lstrip(".")
    begins = re.match(re.escape(speaker) + r"(?![a-zA-Z0-9])", name)
    return name if begins else f"{speaker}-{name}"


def _check_ids(root: Path, recordings: list[Recording]) -> None:
    unfit = [recording.file for recording in recordings if not names_a_file(recording.id)]
    if unfit:
        raise UserError(
            f"{root}: {len(unfit)} file(s) whose name, after the speaker's, cannot be an id "
            f"({listed(unfit)}): shorten or change it"
        )
    files: dict[str, list[str]] = {}
    for recording in recordings:
        files.setdefault(recording.id, []).append(recording.file)
    alike = [" = ".join(found) for found in files.values() if len(found) > 1]
    if alike:
        raise UserError(
            f"{root}: {len(alike)} utterance id(s) are shared by several files ({listed(alike)}): "
            "rename the files, or keep one format of each"
        )


def check_speech(folder: PathLike, recordings: Sequence[Recording], nj: int = 1) -> None:
    """Read all recordings to their end, before long work on them starts.

    Raises:
        UserError: files are unreadable, truncated, empty, silent, not finite, or not mono.
    """
    items = ((recording.file, Path(folder, recording.file)) for recording in recordings)
    map_audio(check_sounding, items, len(recordings), nj, "check speech", folder, "audio file(s)")
