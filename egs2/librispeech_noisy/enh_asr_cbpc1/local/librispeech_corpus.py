# SPDX-License-Identifier: Apache-2.0
"""LibriSpeech: where it is, where it comes from, and what is spoken in it.

Source: Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP
2015; https://www.openslr.org/12.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_cbpc.data.kaldi.table import read_table
from espnet_cbpc.data.kaldi.text_rules import read_lines, tidied
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError, gathered, listed

URL = "https://www.openslr.org/resources/12"


class Part(NamedTuple):
    """The number of utterances of a part, and the MD5 that openslr publishes of its archive."""

    utterances: int
    md5: str


PARTS = {
    "dev-clean": Part(2703, "42e2234ba48799c1f50f24a7926300a1"),
    "test-clean": Part(2620, "32fa31d27d2e1cad72775fee3f4849a9"),
    "train-clean-100": Part(28539, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": Part(104014, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": Part(148688, "d1a0fd59409feb2c614ce4d30c387708"),
}
TRAIN_PARTS = {  # by hours
    100: ("train-clean-100",),
    460: ("train-clean-100", "train-clean-360"),
    960: ("train-clean-100", "train-clean-360", "train-other-500"),
}


def locate(given: str, parts: Sequence[str], url: str, downloads: Path) -> dict[str, Path]:
    """Return the folder of each part, which holds those of the speakers.

    Args:
        given: the user's folder, which holds the parts or a ``LibriSpeech/`` that does; empty:
            download what is missing.
        parts: names of the parts.
        url: folder of the archives.
        downloads: where downloads are kept.

    Raises:
        UserError: no such folder, a part is not in it, or a failed download.
    """
    if not given:
        return {part: _fetch(part, url, downloads / "librispeech" / part) for part in parts}
    root = Path(given)
    if not root.is_dir():
        raise UserError(
            f"LIBRISPEECH={given}: no such folder: correct LIBRISPEECH in db.sh, or leave it empty "
            "to download the corpus"
        )
    root = root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root
    missing = [part for part in parts if not (root / part).is_dir()]
    if missing:
        raise UserError(
            f"LIBRISPEECH={given}: {len(missing)} of {len(parts)} parts are missing in {root} "
            f"({listed(missing)}): unpack {listed(f'{part}.tar.gz' for part in missing)} of {URL} "
            "there"
        )
    return {part: root / part for part in parts}


def _fetch(part: str, url: str, folder: Path) -> Path:
    try:
        download.obtain(f"{url.rstrip('/')}/{part}.tar.gz", folder, PARTS[part].md5)
    except UserError as e:
        raise UserError(
            f"{e}; or set LIBRISPEECH=<folder> in db.sh if you have a copy, or name a mirror with "
            "--librispeech_url"
        ) from e
    return folder / "LibriSpeech" / part


def read_part(part: str, folder: Path, allow_partial: bool) -> list[Recording]:
    """Return the utterances of a part, sorted by id. Audio is not opened.

    Args:
        part: its name.
        folder: where it is, with ``<speaker>/<chapter>/<speaker>-<chapter>.trans.txt``.
        allow_partial: take fewer utterances than the part has.

    Raises:
        UserError: transcripts or recordings are missing.
    """
    recordings: list[Recording] = []
    faults: dict[str, list[str]] = {}
    chapters = {path: path for path in sorted(folder.glob("*/*")) if path.is_dir()}
    for chapter, (texts, flacs) in gathered(_read_chapter, chapters, "chapters").items():
        unread = sorted(flacs - texts.keys())
        faults.setdefault("recording(s) without transcript", []).extend(unread)
        unheard = sorted(texts.keys() - flacs)
        faults.setdefault("transcript(s) without recording", []).extend(unheard)
        relative = Path(part) / chapter.relative_to(folder)
        for key, text in texts.items():
            file = (relative / f"{key}.flac").as_posix()
            recordings.append(Recording(key, file, chapter.parent.name, tidied(text)))
    found = [f"{len(keys)} {what} ({listed(keys)})" for what, keys in faults.items() if keys]
    if found:
        raise UserError(f"{folder}: {'; '.join(found)}: unpack {part}.tar.gz again")
    wanted = 1 if allow_partial else PARTS[part].utterances
    if len(recordings) < wanted:
        raise UserError(
            f"{folder}: {len(recordings)} of {PARTS[part].utterances} utterances: unpack "
            f"{part}.tar.gz completely, or give --allow_partial true to use what is there"
        )
    return sorted(recordings, key=lambda recording: recording.id)


def _read_chapter(chapter: Path) -> tuple[dict[str, str], set]:
    """Return the transcripts by id, and the ids of the recordings."""
    names = os.listdir(chapter)
    flacs = {name[: -len(".flac")] for name in names if name.endswith(".flac")}
    texts: dict[str, str] = {}
    for name in (name for name in names if name.endswith(".trans.txt")):
        texts.update(read_table(chapter / name, strict=False))
    return texts, flacs


def genders(folders: Iterable[Path]) -> dict[str, str]:
    """Return ``m`` or ``f`` by speaker, of every SPEAKERS.TXT that lies beside the parts."""
    table: dict[str, str] = {}
    for path in sorted({folder.parent / "SPEAKERS.TXT" for folder in folders}):
        if path.is_file():
            for line in read_lines(path):
                speaker, *fields = line.split("|")
                if fields and not line.startswith(";"):
                    table[speaker.strip()] = fields[0].strip().lower()
    return table
