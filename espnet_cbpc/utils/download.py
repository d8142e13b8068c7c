# SPDX-License-Identifier: Apache-2.0
"""Download and unpack an archive: resumable, atomic, and never trusting its content."""

import logging
import re
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Callable, NamedTuple, Optional, Union
from urllib.parse import unquote, urlsplit

import requests

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike, file_digest
from espnet_cbpc.utils.progress import progress

ATTEMPTS = 4
WAIT_SECONDS = 2.0  # before the second attempt; doubles with each
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 16  # what a cut may cost


class _Cut(Exception):
    """The transfer ended early, or the server has a passing fault."""


def download(
    url: str, path: PathLike, sha256: Optional[str] = None, md5: Optional[str] = None
) -> None:
    """Fetch ``url`` to ``path`` unless it exists.

    What arrives is kept in ``path.part`` and continued where the server can (HTTP ranges); ``path``
    appears only when all of it has come.

    Args:
        url: http or https.
        path: the file to write; its parents are made.
        sha256: hexadecimal digest to verify; None where none is known.
        md5: the same, for sources that publish no better one.

    Raises:
        UserError: no connection after some attempts, the server refuses, or the digest differs.
    """
    path = Path(path).resolve()
    if path.exists():
        _verify(path, {"SHA-256": sha256, "MD5": md5}, url)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _fetch_with_retries(url, part)
    _verify(part, {"SHA-256": sha256, "MD5": md5}, url)
    part.replace(path)


def _verify(path: Path, expected: dict[str, Optional[str]], url: str) -> None:
    for name, digest in expected.items():
        found = digest and file_digest(path, name.replace("-", "").lower())
        if digest and found != digest.lower():
            path.unlink()
            raise UserError(
                f"{url}: {name} is {found}, expected {digest}; the file was removed: "
                "run again, or get it from another source"
            )


def _fetch_with_retries(url: str, part: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, part)
            return
        except requests.exceptions.InvalidSchema as e:
            raise UserError(f"{url}: not an http or https address") from e
        except (requests.RequestException, _Cut) as e:
            if attempt == ATTEMPTS:
                raise UserError(
                    f"cannot download {url} ({_cause(e)}; {ATTEMPTS} attempts): check the network "
                    "and run again"
                ) from e
        wait = WAIT_SECONDS * 2 ** (attempt - 1)
        logging.warning("%s: attempt %d failed, next in %g s", url, attempt, wait)
        time.sleep(wait)


def _cause(error: Exception) -> str:
    """Tell the innermost reason, without the object addresses in the outer ones."""
    text = str(error)
    found = re.search(r"\[Errno -?\d+\] ([^'\"()\]]+)", text)
    return found.group(1) if found else text[:200]


def _fetch(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == 416:  # what is kept is as long as the file, or longer
            part.unlink()
            raise _Cut("the partial download did not fit the file")
        if response.status_code >= 500 or response.status_code == 429:
            raise _Cut(f"HTTP {response.status_code} {response.reason}")
        if not response.ok:
            raise UserError(
                f"cannot download {url} (HTTP {response.status_code} {response.reason}): "
                "check the address"
            )
        begin, total = _extent(response, have)
        _receive(response, part, begin, total, unquote(Path(urlsplit(url).path).name))


def _extent(response: requests.Response, have: int) -> tuple[int, Optional[int]]:
    """Return the byte at which the answer begins and the size of the whole file if known."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status_code == 206 and span and int(span.group(1)) == have:
        return have, None if span.group(2) == "*" else int(span.group(2))
    if response.status_code == 206:
        raise _Cut("the server sent a different range from the one requested")
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _receive(
    response: requests.Response, part: Path, begin: int, total: Optional[int], name: str
) -> None:
    chunks = response.iter_content(CHUNK_BYTES)
    steps = None if total is None else -(-(total - begin) // CHUNK_BYTES)
    with open(part, "ab" if begin else "wb") as f:
        for chunk in progress(chunks, f"{name} (64 KiB)", steps):
            f.write(chunk)
    size = part.stat().st_size
    if total is not None and size < total:
        raise _Cut(f"the connection ended at {size} of {total} bytes")
    if total is not None and size > total:
        part.unlink()
        raise _Cut(f"{size} bytes received instead of {total}")


def unpack(archive: PathLike, folder: PathLike, remedy: str = "remove it and run again") -> None:
    """Unpack a zip or tar file into a new folder, atomically.

    Only plain files and folders are accepted; modes and owners are not taken over.

    Args:
        archive: the file.
        folder: to be made.
        remedy: what to do about a broken file, for the message.

    Raises:
        UserError: the folder exists, the archive is corrupt or of another kind, or it holds links,
            devices, or names that lead out of the folder.
    """
    archive, folder = Path(archive), Path(folder).resolve()
    if folder.exists():
        raise UserError(f"{folder} exists: remove it to unpack {archive} again")
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _open(archive, remedy) as opened:
            _extract(opened, temporary, archive)
        temporary.rename(folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, OSError) as e:
        raise UserError(f"{archive}: cannot be unpacked ({e}): {remedy}") from e
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def obtain(url: str, folder: PathLike, md5: Optional[str] = None) -> None:
    """Fetch an archive and unpack it into ``folder``, unless that exists; the archive is removed.

    Args:
        url: of the archive, which is kept beside the folder until it is unpacked.
        folder: written atomically.
        md5: see :func:`download`.

    Raises:
        UserError: see :func:`download` and :func:`unpack`.
    """
    folder = Path(folder)
    if folder.is_dir():
        return
    archive = folder.with_name(f"{folder.name}-{unquote(Path(urlsplit(url).path).name)}")
    logging.info("fetching %s", url)
    download(url, archive, md5=md5)
    unpack(archive, folder)
    archive.unlink()


class _Member(NamedTuple):
    """A zip's or tar's member: is it a plain file or folder, and how its bytes are read."""

    name: str
    is_folder: bool
    is_plain: bool
    open: Callable[[], Optional[IO[bytes]]]  # None: of a folder

    @property
    def is_safe(self) -> bool:
        path = PurePosixPath(self.name)
        return self.is_plain and not path.is_absolute() and ".." not in path.parts


def _open(archive: Path, remedy: str) -> Union[zipfile.ZipFile, tarfile.TarFile]:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if archive.is_file() and tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise UserError(f"{archive}: not a complete zip or tar file: {remedy}")


def _members(opened: Union[zipfile.ZipFile, tarfile.TarFile]) -> Iterator[_Member]:
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            plain = entry.isreg() or entry.isdir()
            yield _Member(entry.name, entry.isdir(), plain, partial(opened.extractfile, entry))
        return
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0: made where there are no Unix modes
        plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
        name = info.filename.replace("\\", "/")  # as some Windows programs write it
        yield _Member(name, info.is_dir(), plain, partial(opened.open, info))


def _extract(opened: Union[zipfile.ZipFile, tarfile.TarFile], folder: Path, archive: Path) -> None:
    members = list(_members(opened))
    bad = [member.name for member in members if not member.is_safe]
    if bad:
        raise UserError(
            f"{archive}: {len(bad)} member(s) are links, devices, or lead out of the folder "
            f"({listed(bad)}): do not use this archive"
        )
    folder.mkdir(parents=True)
    for member in members:
        target = folder / member.name
        (target if member.is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        if not member.is_folder:
            source = member.open()
            assert source is not None
            with source, open(target, "wb") as f:
                shutil.copyfileobj(source, f)
