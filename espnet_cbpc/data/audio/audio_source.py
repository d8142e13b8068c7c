# SPDX-License-Identifier: Apache-2.0
"""An open audio file as blocks of samples, whatever its header says of its length.

An MP3 file without a Xing frame has no length, so that libsndfile estimates one; FLAC, AU and WAV
files written to a pipe tell none; in files that were cut or joined it is wrong.
"""

import io
import math
import mmap
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike

# Path, inode, size and time of change: what only going through all of a file tells is kept by them.
File = tuple[str, int, int, int]

BLOCK = 1 << 16  # frames read at a time
HEAD, PAGE = 1 << 12, 1 << 16  # bytes that hold the first frame of MP3, a page of Ogg
UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's, where the header tells none
STREAMED_SIZE = 0x7FFF0000  # programs that write WAV to a pipe put at least this for "unknown"
OVERSHOOT = 32.0  # recordings exceed full scale by less than 30 dB; whole numbers go beyond
HEADERLESS = (".pcm", ".raw", ".sln", ".vox")
UNREADABLE = "not a readable audio file: replace it"
NO_HEADER = "raw samples, without a header that gives their rate and format: convert them to WAV"
CUT_SHORT = "audio file is truncated: replace it"
NO_END = "audio file lacks its end mark, so that its length is unknown: replace or convert it"
JOINED = "several audio files joined in one, of which only the first is read: split or convert it"

# Of these formats joined files make one that players go through; what each file begins with:
STARTS = {"FLAC": rb"fLaC\0\0\0\x22", "MP3": rb"(?:Xing|Info)\0\0\0", "OGG": rb"OggS\0\x02"}
# What libsndfile logs of a file that holds less than its header says, and then reads all the same.
LESS = re.compile(
    r"^ *(?:data|SSND|BODY|Data Size|Riff size|riff) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)


class AudioError(UserError):
    """A fault of one audio file: ``problem`` (what and the remedy) and ``where`` (the file)."""

    def __init__(self, problem: str, where: str):
        super().__init__(problem, where)  # both, so that it can be sent between processes
        self.problem = problem
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class _Stream(soundfile.SoundFile):
    """Reads for as long as samples come; soundfile would stop and seek where the header says."""

    def seekable(self) -> bool:
        return False


class _Endless(io.FileIO):
    """Looks longer than it is by more than bit rates differ: a length estimated is never short."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) == (0, io.SEEK_END):
            offset, whence = 64 * os.fstat(self.fileno()).st_size, io.SEEK_SET
        try:
            return super().seek(offset, whence)
        except OSError:  # before the beginning; cffi would print it
            return -1


@contextmanager
def opened(path: PathLike) -> Iterator["Source"]:
    """Open an audio file of any format of libsndfile, by whatever name.

    Raises:
        AudioError: it is missing, unreadable, or is visibly truncated; likewise where libsndfile
            raises anything in the block.
    """
    if not os.path.isfile(path):
        raise AudioError("no such audio file: correct the path", str(path))
    try:
        with ExitStack() as stack:
            fd = stack.enter_context(open(path, "rb")).fileno()
            stat, now = os.fstat(fd), time.time_ns()
            # The clock of files is coarse: what has just been written may change unseen.
            changed = stat.st_mtime_ns if stat.st_mtime_ns < now - 2e9 else now
            file = (str(path), stat.st_ino, stat.st_size, changed)
            _check_end(fd, file)
            stream = stack.enter_context(_Stream(fd, closefd=False))
            sizes = LESS.search(stream.extra_info)
            if sizes and int(sizes[2]) < int(sizes[1]) < STREAMED_SIZE:
                raise AudioError(CUT_SHORT, str(path))
            frames = None if stream.frames == UNKNOWN_FRAMES else stream.frames
            if stream.format == "MP3" and not _tells_length(file, os.pread(fd, 10, 0)):
                endless = stack.enter_context(_Endless(path))
                stream, frames = stack.enter_context(_Stream(endless)), None
            yield Source(file, stream, frames)
    except AudioError:
        raise
    except OSError as e:
        raise AudioError(f"cannot be read ({e.strerror}): check the file", str(path)) from e
    except Exception as e:  # soundfile raises Python's own kinds, too
        problem = NO_HEADER if Path(path).suffix.lower() in HEADERLESS else UNREADABLE
        raise AudioError(problem, str(path)) from e


class Source:
    """An open audio file.

    Attributes:
        where: its path.
        rate: Hz.
        channels: how many.
        frames: samples of each channel; None where the header does not tell.
    """

    def __init__(self, file: File, stream: _Stream, frames: Optional[int]):
        self.where, self.frames = file[0], frames
        self.rate, self.channels = stream.samplerate, stream.channels
        self._file, self._stream = file, stream
        tells = soundfile.SoundFile.seekable(stream) and not stream.subtype.startswith("DWVW")
        self._can_seek = frames is not None and tells

    @property
    def length(self) -> int:
        """Samples of each channel, counted where the header does not tell."""
        return _survey(self._file)[0] if self.frames is None else self.frames

    @property
    def full_scale(self) -> float:
        """The value that stands for 1, see :func:`full_scale`; only floats exceed it."""
        return _survey(self._file)[1] if self._stream.subtype in ("FLOAT", "DOUBLE") else 1.0

    def is_stored_as(self, suffix: str) -> bool:
        """Return whether the format is that of a suffix, and any program finds these samples."""
        is_format = self._stream.format == suffix.upper()
        return is_format and self._can_seek and self.full_scale == 1

    def blocks(
        self, begin: int = 0, end: Optional[int] = None, size: int = BLOCK, scaled: bool = True
    ) -> Iterator[np.ndarray]:
        """Read the file.

        Args:
            begin: first sample.
            end: sample to stop before; None: the last there is.
            size: largest size of a block.
            scaled: whether full scale becomes 1.

        Yields:
            (samples, channels) float32.

        Raises:
            AudioError: the file ends too early, or another one follows in it.
        """
        gain = np.float32(1 / self.full_scale if scaled else 1)
        until = self.frames if end is None else end
        if self._can_seek and self.frames is not None:
            position = self._stream.seek(min(begin, self.frames))
        else:
            position = sum(map(len, self.blocks(0, begin, scaled=False))) if begin else 0
        while until is None or position < until:
            wanted = size if until is None else min(size, until - position)
            block = self._stream.read(wanted, dtype="float32", always_2d=True)
            if not len(block):
                break
            position += len(block)
            yield block if gain == 1 else gain * block
        if until is not None and position < until:
            raise AudioError(CUT_SHORT, self.where)
        if end is None and until is not None and len(_starts(self._file, self._stream.format)) > 1:
            raise AudioError(JOINED, self.where)


def _check_end(fd: int, file: File) -> None:
    """Check that Ogg and NIST files are whole, which libsndfile does not."""
    (path, _, size, _), head = file, os.pread(fd, HEAD, 0)
    if head[:4] == b"OggS":
        tail = os.pread(fd, PAGE, max(0, size - PAGE))
        page = tail[tail.rfind(b"OggS\0") :]
        is_last = len(page) > 27 and page[5] & 4
        if not is_last or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
            raise AudioError(NO_END, path)
    elif head[:4] == b"NIST" and b"embedded" not in head:  # such as embedded-shorten
        fields = {name: int(value) for name, value in re.findall(rb"(\w+) -i (\d+)", head)}
        names = (b"sample_count", b"channel_count", b"sample_n_bytes")
        if int(head[8:16]) + math.prod(fields.get(name, 0) for name in names) > size:
            raise AudioError(CUT_SHORT, path)


def _tells_length(file: File, tag: bytes) -> bool:
    """Return whether the first frame of an MP3 file, after its tag, holds the number of frames."""
    size = sum(byte << 7 * (3 - i) for i, byte in enumerate(tag[6:])) if tag[:3] == b"ID3" else 0
    return any(start < size + HEAD for start in _starts(file, "MP3"))


@lru_cache(maxsize=1024)
def _starts(file: File, form: str) -> list[int]:
    """Return where files begin in a file, of those formats that can be joined."""
    if form not in STARTS:
        return []
    with open(file[0], "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [found.start() for found in re.finditer(STARTS[form], data)]


@lru_cache(maxsize=1024)
def _survey(file: File) -> tuple[int, float]:
    """Return the number of samples of each channel, and the value that stands for 1."""
    count, scale = 0, 1.0
    with opened(file[0]) as source:
        for block in source.blocks(scaled=False):
            count += len(block)
            scale = max(scale, full_scale(block))
    return count, scale


def full_scale(samples: np.ndarray) -> float:
    """Return the value that stands for 1 in samples: 2^15 of 16 bits, 2^23, 2^31, else 1."""
    peak = float(np.abs(samples).max(where=np.isfinite(samples), initial=0.0))
    if peak <= OVERSHOOT:
        return 1.0
    return 2.0 ** (8 * max(2, math.ceil(math.log2(peak) / 8)) - 1)
