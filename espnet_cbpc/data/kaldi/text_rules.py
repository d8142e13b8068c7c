# SPDX-License-Identifier: Apache-2.0
"""Rules for text, white space and ids, in tables, words and scores.

White space is what Python splits at, and so ESPnet: besides blank and tab that is U+00A0 (from word
processors), U+3000 (from Japanese keyboards), U+2028 and more. Between the words of a transcript
stands one blank and nothing else, since characters are tokens, too.
"""

import io
import os
import re
from pathlib import Path

from espnet_cbpc.utils.cli import UserError, shown
from espnet_cbpc.utils.files import PathLike

BOM = "\ufeff"  # byte order mark, which some programs put in front of a text; it has no width
MOST_ID_BYTES = 200  # file systems take 255, prefixes and suffixes of ours included
_ODD_SPACE = re.compile(rf"[^\S ]|{BOM}")


def read_text(path: PathLike) -> str:
    """Return the text of a file, with its byte order mark if it has one.

    Raises:
        UserError: it cannot be read or is not UTF-8; the message says what it may be instead.
    """
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8")
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        place = f"byte 0x{content[e.start]:02x} in line {content.count(10, 0, e.start) + 1}"
        raise UserError(f"{path}: not UTF-8 text ({place}){_remedy(content)}") from e
    if "\0" in text:
        raise UserError(f"{path}: not UTF-8 text (it has zero bytes), perhaps UTF-16: convert it")
    return text


def _remedy(content: bytes) -> str:
    for kind, marks in (("UTF-16", (b"\xff\xfe", b"\xfe\xff")), ("cp1252", (b"",))):
        try:
            if content.startswith(marks) and content.decode(kind):
                return f", perhaps {kind}: convert the file (iconv -f {kind} -t UTF-8)"
        except UnicodeDecodeError:
            continue
    return ": convert the file (iconv -t UTF-8 -f, and the encoding that it is in)"


def read_lines(path: PathLike) -> list[str]:
    """Return the lines of a file without ends and byte order mark; U+2028 and the like end none.

    Raises:
        UserError: see :func:`read_text`.
    """
    text = io.StringIO(read_text(path).lstrip(BOM), newline=None)
    return [line.rstrip("\n") for line in text]


def read_words(path: Path) -> str:
    """Return the words of a file that holds nothing else, in one line; '' if there is no file.

    Raises:
        UserError: see :func:`read_text`.
    """
    return tidied(read_text(path)) if path.is_file() else ""


def odd_space(text: str) -> str:
    """Return the names of white space that is no blank, as ``U+00A0, U+3000``."""
    found = _ODD_SPACE.findall(text)
    names = {BOM: "a byte order mark", "\t": "a tab"}
    return ", ".join(sorted({names.get(c, f"U+{ord(c):04X}") for c in found})) if found else ""


def tidied(text: str) -> str:
    """Return words with one blank between them."""
    return " ".join(text.replace(BOM, "").split())


def as_id(name: str) -> str:
    """Return a name with ``_`` in place of white space."""
    return re.sub(r"\s+", "_", name.replace(BOM, ""))


def names_a_file(key: str) -> bool:
    """Return whether files can be named by an id, with prefixes and suffixes, in their folder."""
    is_short = len(os.fsencode(key)) <= MOST_ID_BYTES
    return is_short and "/" not in key and not key.startswith(".") and shown(key) == key
