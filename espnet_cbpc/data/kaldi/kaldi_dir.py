# SPDX-License-Identifier: Apache-2.0
"""Kaldi-style data directories: read with every check, written atomically.

Format: https://kaldi-asr.org/doc/data_prep.html; ``spk1.scp``, ``noise1.scp`` and
``utt2category`` follow ESPnet's speech enhancement recipes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.audio.columns import SOUND, columns, sound_type
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.kaldi.table import Table, read_table, scan_table, write_table
from espnet_cbpc.data.kaldi.text_rules import as_id, names_a_file
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

AUDIO_TABLES = ("wav.scp", "spk1.scp", "noise1.scp", "clean.scp", "noisy.scp")
CATEGORIES = ("SIMU", "REAL", "CLEAN")
TABLE_NAME = re.compile("|".join(map(re.escape, (*AUDIO_TABLES, "text"))) + r"|utt2\w+")


def speakers(utt2spk: Mapping[str, str]) -> Table:
    """Return ``spk2utt``: for each speaker the sorted utterance ids, joined by blanks."""
    utterances: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        utterances.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances[speaker]) for speaker in sorted(utterances)}


def write_tables(directory: PathLike, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``tables`` (file name to table) and the ``spk2utt`` that follows into a directory."""
    for name, table in tables.items():
        write_table(Path(directory) / name, table)
    write_table(Path(directory) / "spk2utt", speakers(tables["utt2spk"]))


def write_data_dir(directory: PathLike, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Write a data directory, written atomically, replacing an earlier one of that name.

    Args:
        directory: the directory to write.
        tables: file name (``wav.scp``, ``utt2spk``, ``text``, ...) to its table; ``spk2utt`` is
            derived from ``utt2spk``.

    Raises:
        UserError: an id or value that cannot be written, or a ``directory`` that holds something
            other than a data directory.
    """
    with whole_directory(directory) as temporary:
        write_tables(temporary, tables)


@dataclass(frozen=True)
class DataDir:
    """A consistent data directory.

    Attributes:
        path: where it was read from.
        tables: file name to table: ``text``, every one of ``AUDIO_TABLES`` and every ``utt2*`` that
            is there. All ids are in ``wav.scp``.
        categories: SIMU, REAL or CLEAN of every utterance.
    """

    path: Path
    tables: dict[str, Table]
    categories: Table

    @classmethod
    def read(cls, directory: PathLike, require_text: bool = True) -> "DataDir":
        """Read a directory and check that its files agree. Audio is not opened.

        Args:
            directory: with ``wav.scp``, ``utt2spk``, ``text``; all else is optional.
            require_text: whether ``text`` is required.

        Raises:
            UserError: files are missing or malformed (see :func:`read_table`), or disagree; each
                kind of fault in one line.
        """
        data, faults = cls.examine(directory, require_text)
        if data is None or faults:
            raise UserError("\n".join(faults))
        return data

    @classmethod
    def examine(
        cls, directory: PathLike, require_text: bool = True
    ) -> tuple[Optional["DataDir"], list[str]]:
        """Read a directory and find every problem in it; see :meth:`read`.

        Returns:
            What could be read, None without a ``wav.scp``; and one message for each kind of fault.
        """
        path = Path(directory)
        if not path.is_dir():
            return None, [f"{path}: no such data directory"]
        faults = []
        if (path / "segments").exists():
            faults.append(f"{path}/segments is not supported: cut the recordings into files")
        tables: dict[str, Table] = {}
        for name in table_names(path, require_text):
            try:
                is_text = name == "text"
                tables[name], found = scan_table(path / name, is_text, is_text=is_text)
                faults += found
            except UserError as e:
                faults.append(str(e))
        if "wav.scp" not in tables:
            return None, faults
        data = cls(path, tables, _categories(tables))
        return data, faults + [fault for fault in data._faults() if fault]

    @property
    def ids(self) -> list[str]:
        """The utterance ids, sorted."""
        return list(self.tables["wav.scp"])

    def _faults(self) -> Iterator[str]:
        """Yield one message for each kind of disagreement, '' if there is none."""
        ids = self.tables["wav.scp"]
        if not ids:
            yield f"{self.path}/wav.scp: no utterances"
        for name, table in self.tables.items():
            foreign = table.keys() - ids.keys()
            yield self._fault(name, foreign, "not in wav.scp", "remove or add them")
        for name in ("utt2spk", "text", "utt2category"):
            missing = ids.keys() - self.tables.get(name, ids).keys()
            yield self._fault(name, missing, "of wav.scp missing", "add them")
        for name in AUDIO_TABLES:
            pipes = (k for k, path in self.tables.get(name, {}).items() if path.endswith("|"))
            yield self._fault(name, pipes, "given as a shell pipe", "write audio files instead")
        yield self._column_fault()
        unfit = (key for key in ids if not names_a_file(key))
        yield self._fault("wav.scp", unfit, "whose id cannot name a file", "rename them")
        empty = (key for key, value in self.tables.get("text", {}).items() if not value)
        yield self._fault("text", empty, "with an empty transcript", "add the words or remove them")
        named = self.tables.get("utt2spk", {}).items()
        spaced = (key for key, speaker in named if as_id(speaker) != speaker)
        yield self._fault("utt2spk", spaced, "whose speaker holds white space", "rename them")
        wrong = (key for key, value in self.categories.items() if value not in CATEGORIES)
        remedy = f"use {', '.join(CATEGORIES)}"
        yield self._fault("utt2category", wrong, "of an unknown category", remedy)
        references = self.tables.get("spk1.scp", {})
        bare = (k for k, v in self.categories.items() if v == "SIMU" and k not in references)
        remedy = "add their clean reference or call them REAL"
        yield self._fault("spk1.scp", bare, "of category SIMU missing", remedy)
        yield self._speaker_fault()

    def _column_fault(self) -> str:
        """Tell of paths with blanks, which ESPnet takes for columns where others have several."""
        entries = self.tables["wav.scp"]
        if sound_type(entries) == SOUND:
            return ""
        spaced = (k for k, e in entries.items() if columns(e) == [e] and e.split() != [e])
        what = "whose path holds blanks, beside others of several columns"
        return self._fault("wav.scp", spaced, what, "rename the files")

    def _speaker_fault(self) -> str:
        if not (self.path / "spk2utt").exists() or "utt2spk" not in self.tables:
            return ""
        try:
            actual = read_table(self.path / "spk2utt")
        except UserError as e:
            return str(e)
        expected = speakers(self.tables["utt2spk"])
        wrong = [
            speaker
            for speaker in sorted(expected.keys() | actual.keys())
            if sorted(actual.get(speaker, "").split()) != expected.get(speaker, "").split()
        ]
        if not wrong:
            return ""
        return (
            f"{self.path}/spk2utt: disagrees with utt2spk on {len(wrong)} speaker(s) "
            f"({listed(wrong)}): remove spk2utt, it is derived where absent"
        )

    def _fault(self, name: str, ids: Iterable[str], what: str, remedy: str) -> str:
        ids = sorted(ids)
        if not ids:
            return ""
        return f"{self.path}/{name}: {len(ids)} utterance(s) {what} ({listed(ids)}): {remedy}"


def table_names(directory: Path, require_text: bool = True) -> list[str]:
    """Return the names of the tables that are or must be in a directory, sorted.

    Copies that editors and people leave beside them, as ``utt2spk~``, are no tables.
    """
    names = {"wav.scp", "utt2spk"} | ({"text"} if require_text else set())
    there = {file.name for file in directory.iterdir()}
    return sorted(names | {name for name in there if TABLE_NAME.fullmatch(name)})


def heard_table(directory: PathLike) -> Path:
    """Return the table of noisy speech in one channel: ``noisy.scp`` where ``wav.scp`` has more."""
    path = Path(directory) / "noisy.scp"
    return path if path.is_file() else path.with_name("wav.scp")


def _categories(tables: Mapping[str, Table]) -> Table:
    """Return the category of each utterance, guessed where ``utt2category`` has none."""
    references, given = tables.get("spk1.scp", {}), tables.get("utt2category", {})
    guess = {key: "SIMU" if key in references else "REAL" for key in tables["wav.scp"]}
    return {**guess, **given}
