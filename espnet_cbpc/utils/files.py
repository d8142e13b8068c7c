# SPDX-License-Identifier: Apache-2.0
"""Files written atomically, YAML files, digests."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Union

import yaml

from espnet_cbpc.utils.cli import UserError, shown

PathLike = Union[str, Path]

# ten times as fast on a vocabulary of tens of thousands
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def atomic_write(path: PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` if the block succeeds.

    If the block raises, nothing is left behind and an earlier ``path`` stays as it was. Where
    ``path`` is a link, what it leads to is written.

    Raises:
        UserError: the file cannot be written, or what is written in the block is not UTF-8.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Of a long name only the beginning: no name may exceed 255 bytes.
        fd, temporary = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
    except OSError as e:
        raise _refusal(path, e) from e
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes it private
    try:
        with os.fdopen(fd, mode, encoding=None if "b" in mode else "utf-8") as f:
            yield f
        os.replace(temporary, target)
    except BaseException as e:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(e, OSError) and e.errno and e.filename in (None, temporary):  # none it reads
            raise _refusal(path, e) from e
        if isinstance(e, UnicodeEncodeError):
            line = shown(e.object.strip())
            raise UserError(
                f"{path}: cannot hold text that is not UTF-8: rename it ({line})"
            ) from e
        raise


def _refusal(path: PathLike, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}): choose another place or name")


def read_yaml(path: PathLike) -> dict[str, Any]:
    """Return the mapping in a YAML file, {} for an empty one.

    Raises:
        UserError: no such file, not YAML, or not a mapping.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise UserError(f"{path}: cannot be read as YAML: {e}") from e
    if content is not None and not isinstance(content, dict):
        raise UserError(
            f"{path}: must hold 'option: value' lines, but holds a {type(content).__name__}"
        )
    return content or {}


def write_yaml(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write a mapping as YAML, keeping the order of its keys.

    Raises:
        UserError: see :func:`atomic_write`.
    """
    with atomic_write(path) as f:
        yaml.safe_dump(dict(content), f, sort_keys=False, allow_unicode=True)


def file_digest(path: PathLike, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's content, by an algorithm of hashlib."""
    digest = hashlib.new(algorithm)
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
