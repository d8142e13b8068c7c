"""Kaldi-style data directories: read with every check, write whole.

Format: https://kaldi-asr.org/doc/data_prep.html; ``spk1.scp``, ``noise1.scp`` and
``utt2category`` follow ESPnet's speech enhancement recipes.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Union

from espnet_cbpc.data.directory import whole_directory
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

AUDIO_TABLES = ("wav.scp", "spk1.scp", "noise1.scp", "clean.scp")
CATEGORIES = ("SIMU", "REAL", "CLEAN")
Table = Dict[str, str]


def read_table(path: Union[str, Path], allow_empty: bool = False) -> Table:
    """Read a file of lines ``id value``.

    Args:
        path: the file, UTF-8, sorted by id in C order.
        allow_empty: take a line with an id alone as an empty value.

    Returns:
        The values by id, in file order.

    Raises:
        UserError: no such file, not UTF-8, a line without id or value, an id that comes twice or
            out of order.
    """
    table: Table = {}
    last = ""
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                key, value = (re.split(r"[ \t]+", line.strip(" \t\n"), maxsplit=1) + [""])[:2]
                where = f"{path}:{number}"
                if not key:
                    raise UserError(f"{where}: empty line: remove it")
                if not value and not allow_empty:
                    raise UserError(f"{where}: '{key}' has no value: complete or remove the line")
                if key in table:
                    raise UserError(f"{where}: '{key}' comes twice: ids must be unique")
                if key < last:
                    raise UserError(
                        f"{where}: '{key}' comes after '{last}': sort the file with LC_ALL=C sort"
                    )
                table[key] = value
                last = key
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text ({e}): convert the file") from e
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    return table


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


def speakers(utt2spk: Mapping[str, str]) -> Table:
    """Return ``spk2utt``: for each speaker the sorted utterance ids, joined by blanks."""
    utterances: Dict[str, List[str]] = {}
    for utterance in sorted(utt2spk):
        utterances.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances[speaker]) for speaker in sorted(utterances)}


def write_tables(directory: Union[str, Path], tables: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``tables`` (file name to table) and the ``spk2utt`` that follows into a directory."""
    for name, table in tables.items():
        write_table(Path(directory) / name, table)
    write_table(Path(directory) / "spk2utt", speakers(tables["utt2spk"]))


def write_data_dir(directory: Union[str, Path], tables: Mapping[str, Mapping[str, str]]) -> None:
    """Write a data directory, which appears whole and replaces an earlier one of that name.

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
    tables: Dict[str, Table]
    categories: Table

    @classmethod
    def read(cls, directory: Union[str, Path], require_text: bool = True) -> "DataDir":
        """Read a directory and check that its files agree. Audio is not opened.

        Args:
            directory: with ``wav.scp``, ``utt2spk``, ``text``; all else is optional.
            require_text: whether ``text`` must be there.

        Raises:
            UserError: a file is missing or malformed (see :func:`read_table`), or two disagree.
        """
        path = Path(directory)
        if not path.is_dir():
            raise UserError(f"{path}: no such data directory")
        if (path / "segments").exists():
            raise UserError(f"{path}/segments is not supported: cut the recordings into files")
        names = {"wav.scp", "utt2spk"} | ({"text"} if require_text else set())
        for pattern in (*AUDIO_TABLES, "utt2*", "text"):
            names |= {file.name for file in path.glob(pattern)}
        tables = {
            name: read_table(path / name, allow_empty=name == "text") for name in sorted(names)
        }
        data = cls(path, tables, _categories(tables))
        data._check()
        return data

    @property
    def ids(self) -> List[str]:
        """The utterance ids, sorted."""
        return list(self.tables["wav.scp"])

    def _check(self) -> None:
        ids = self.tables["wav.scp"]
        if not ids:
            raise UserError(f"{self.path}/wav.scp: no utterances")
        for name, table in self.tables.items():
            self._reject(name, table.keys() - ids.keys(), "not in wav.scp", "remove or add them")
        for name in ("utt2spk", "text", "utt2category"):
            missing = ids.keys() - self.tables.get(name, ids).keys()
            self._reject(name, missing, "of wav.scp missing", "add them")
        for name in AUDIO_TABLES:
            pipes = (k for k, path in self.tables.get(name, {}).items() if path.endswith("|"))
            self._reject(name, pipes, "given as a shell pipe", "write audio files instead")
        unfit = (key for key in ids if "/" in key or key.startswith("."))
        self._reject("wav.scp", unfit, "whose id cannot name a file", "rename them")
        empty = (key for key, value in self.tables.get("text", {}).items() if not value)
        self._reject("text", empty, "with an empty transcript", "add the words or remove them")
        self._check_categories()
        self._check_speakers()

    def _check_categories(self) -> None:
        wrong = (key for key, value in self.categories.items() if value not in CATEGORIES)
        self._reject(
            "utt2category", wrong, "of an unknown category", f"use {', '.join(CATEGORIES)}"
        )
        references = self.tables.get("spk1.scp", {})
        bare = (k for k, v in self.categories.items() if v == "SIMU" and k not in references)
        remedy = "add their clean reference or call them REAL"
        self._reject("spk1.scp", bare, "of category SIMU missing", remedy)

    def _check_speakers(self) -> None:
        if not (self.path / "spk2utt").exists():
            return
        expected = speakers(self.tables["utt2spk"])
        actual = read_table(self.path / "spk2utt")
        wrong = [
            speaker
            for speaker in sorted(expected.keys() | actual.keys())
            if sorted(actual.get(speaker, "").split()) != expected.get(speaker, "").split()
        ]
        if wrong:
            raise UserError(
                f"{self.path}/spk2utt: disagrees with utt2spk on {len(wrong)} speaker(s) "
                f"({listed(wrong)}): remove spk2utt, it is derived where absent"
            )

    def _reject(self, name: str, ids: Iterable[str], what: str, remedy: str) -> None:
        ids = sorted(ids)
        if ids:
            raise UserError(
                f"{self.path}/{name}: {len(ids)} utterance(s) {what} ({listed(ids)}): {remedy}"
            )


def _categories(tables: Mapping[str, Table]) -> Table:
    if "utt2category" in tables:
        return tables["utt2category"]
    references = tables.get("spk1.scp", {})
    return {key: "SIMU" if key in references else "REAL" for key in tables["wav.scp"]}
