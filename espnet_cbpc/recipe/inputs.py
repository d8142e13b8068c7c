# SPDX-License-Identifier: Apache-2.0
"""What a step depends on: the values and contents behind its options and files.

Comments and the order of keys in a configuration, comments in scripts, and files that nothing reads
do not count. A file is read once: its digest is kept with its size and time of change.
"""

import hashlib
import io
import json
import os
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Union, get_args

from espnet_cbpc.data.audio.columns import columns
from espnet_cbpc.data.kaldi.table import read_table
from espnet_cbpc.model_zoo.whisper_name import WhisperName
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write, file_digest, read_yaml

TABLES = ("*.scp", "text", "utt2*")  # of a data directory, what anything reads


class Missing(UserError):
    """An input that does not exist (yet).

    Args:
        path: which file or folder.
        why: more on it, for the message.
    """

    def __init__(self, path: Union[str, Path], why: str = ""):
        super().__init__(f"{path}: no such file or folder{why}")
        self.path = Path(path)


class Digests:
    """Digests of files, remembered between runs.

    Args:
        memory: JSON file to remember them in; several runs may share it.
    """

    def __init__(self, memory: Path):
        self.memory = memory
        self._known: dict[str, list[Any]] = {}
        self._has_new = False
        if memory.is_file():
            with suppress(ValueError):  # only a memory: what it lacks is read again
                self._known = json.loads(memory.read_text(encoding="utf-8"))

    def file(self, path: Union[str, Path]) -> str:
        """Return the digest of a file's content.

        Raises:
            Missing: no such file.
        """
        return self._remembered("", path, lambda: file_digest(path, "blake2b")[:32])

    def values(self, path: Union[str, Path]) -> str:
        """Return the digest of the values in a YAML file.

        Raises:
            Missing: no such file.
            UserError: it is no YAML.
        """
        return self._remembered("values ", path, lambda: of_values(read_yaml(path)))

    def audio(self, scp: Union[str, Path]) -> str:
        """Return the digest of the recordings that a table lists.

        Of a recording in the recipe's folder the content counts; of one elsewhere, in a corpus,
        size and time of change.

        Raises:
            Missing: no such table, or a recording is gone.
        """
        return self._remembered("audio ", scp, lambda: self._recordings(scp))

    def _recordings(self, scp: Union[str, Path]) -> str:
        total, here = hashlib.blake2b(), os.path.join(os.getcwd(), "")
        for path in (path for entry in read_table(scp).values() for path in columns(entry)):
            try:
                if os.path.isabs(path) and not path.startswith(here):
                    seen = os.stat(path)
                    total.update(f"{seen.st_size} {seen.st_mtime_ns}\n".encode())
                else:
                    total.update(file_digest(path, "blake2b").encode())
            except FileNotFoundError:
                raise Missing(path, f" ({scp} lists it)") from None
        return total.hexdigest()[:32]

    def _remembered(self, kind: str, path: Union[str, Path], digest: Callable[[], str]) -> str:
        try:
            seen = os.stat(path)
        except FileNotFoundError:
            raise Missing(path) from None
        key, state = f"{kind}{path}", [seen.st_size, seen.st_mtime_ns]
        known = self._known.get(key)
        if known is None or known[:2] != state:
            known = self._known[key] = [*state, digest()]
            self._has_new = True
        return str(known[2])

    def save(self) -> None:
        """Write what is remembered, if there is anything new."""
        if self._has_new:
            self._has_new = False
            with atomic_write(self.memory) as f:
                json.dump(self._known, f)


@dataclass(frozen=True)
class File:
    """The content of a file."""

    path: Union[str, Path]

    def value(self, digests: Digests) -> Any:
        """Return its digest."""
        return digests.file(self.path)

    def paths(self) -> Iterator[Path]:
        """Yield what is read."""
        yield Path(self.path)


@dataclass(frozen=True)
class Data:
    """A data directory: its tables, and the audio that they list."""

    path: Union[str, Path]

    def value(self, digests: Digests) -> Any:
        """Return digests by table, and of the audio of each list."""
        found = {path.name: path for glob in TABLES for path in sorted(Path(self.path).glob(glob))}
        if not found:
            raise Missing(self.path)
        tables = {name: digests.file(path) for name, path in found.items()}
        lists = {name: path for name, path in found.items() if name.endswith(".scp")}
        return {**tables, **{f"audio of {n}": digests.audio(path) for n, path in lists.items()}}

    def paths(self) -> Iterator[Path]:
        """Yield what is read."""
        yield Path(self.path)


@dataclass(frozen=True)
class Model:
    """A trained model: its checkpoint, and the values of its configuration."""

    exp: Path
    checkpoint: str

    def value(self, digests: Digests) -> Any:
        """Return a digest of both."""
        weights = digests.file(self.exp / self.checkpoint)
        return {"weights": weights, "configuration": digests.values(self.exp / "config.yaml")}

    def paths(self) -> Iterator[Path]:
        """Yield what is read."""
        yield self.exp / "config.yaml"
        yield self.exp / self.checkpoint


@dataclass(frozen=True)
class Files:
    """The content of the files of a folder that fit any of some patterns."""

    folder: Path
    patterns: tuple[str, ...]

    def value(self, digests: Digests) -> Any:
        """Return a digest by name."""
        found = {path for pattern in self.patterns for path in self.folder.glob(pattern)}
        return {
            str(path.relative_to(self.folder)): digests.file(path)
            for path in sorted(found)
            if path.is_file()
        }

    def paths(self) -> Iterator[Path]:
        """Yield what is read."""
        yield self.folder


@dataclass(frozen=True)
class Scripts:
    """A script in ``local/``, and what it calls and imports there, without comments."""

    path: Union[str, Path]

    def value(self, digests: Digests) -> Any:
        """Return a digest by name."""
        return {
            str(path): hashlib.blake2b(_code(path).encode()).hexdigest()[:32]
            for path in sorted(self.paths())
        }

    def paths(self) -> Iterator[Path]:
        """Yield what is read.

        Raises:
            Missing: no such script.
        """
        if not Path(self.path).is_file():
            raise Missing(self.path)
        todo, seen = [Path(self.path)], set()
        while todo:
            path = todo.pop()
            if path not in seen and path.is_file():
                seen.add(path)
                yield path
                todo += _called(path)


def _called(path: Path) -> list[Path]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        names = re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE)
        return [path.with_name(f"{name}.py") for name in names]
    return [path.parent / name for name in re.findall(r"\blocal/([\w./-]+\w)", text)]


def _code(path: Path) -> str:
    """Return a script's text without comments, empty lines and blanks at the ends of lines."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    kept = (line.rstrip() for line in lines if not line.lstrip().startswith("#"))
    return "\n".join(line for line in kept if line)


Input = Union[File, Data, Model, Files, Scripts]


def resolve(inputs: Mapping[str, Any], digests: Digests) -> dict[str, Any]:
    """Return the inputs of a step as JSON has them.

    Raises:
        Missing: one does not exist.
    """
    values = {
        k: v.value(digests) if isinstance(v, get_args(Input)) else v for k, v in inputs.items()
    }
    resolved: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return resolved


def of_values(values: Any) -> str:
    """Return a digest of JSON-like values, regardless of the order of keys."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode()).hexdigest()[:32]


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Return what has changed between two resolved inputs, one line each, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            if old.get(key) != new.get(key)
            for line in differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))
        ]
    if all(isinstance(v, str) and re.fullmatch("[0-9a-f]{32}", v) for v in (old, new)):
        return [f"{name}: content changed"]
    if isinstance(old, dict) or isinstance(new, dict):
        return [f"{name}: {'removed' if new is None else 'added' if old is None else 'changed'}"]
    return [f"{name}: {_shown(new)} (was {_shown(old)})"]


def _shown(value: Any) -> str:
    if value in (None, "", []):
        return "unset"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def local_model(model: str) -> Sequence[Path]:
    """Return the files of a model that is named by paths on this machine; none of one elsewhere."""
    whisper = WhisperName.of(model)
    if whisper is not None:
        return [] if whisper.path is None else [whisper.path]
    found = [Path(part) for part in model.split(",") if Path(part).exists()]
    return [p for path in found for p in ([path] if path.is_file() else sorted(_model_files(path)))]


def _model_files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.yaml", "*.pth", "*.model", "*.json", "*.safetensors"):
        yield from folder.glob(pattern)
