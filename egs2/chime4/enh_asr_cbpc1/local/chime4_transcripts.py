# SPDX-License-Identifier: Apache-2.0
"""Transcripts of CHiME-4 and WSJ0: the "dot" and "trn" formats, and the words that are scored.

The normalisation is the one that the published CHiME-4 recipes (Kaldi, ESPnet) share, so that word
error rates compare. One thing differs: where they write ``<NOISE>`` for a noise of the speaker and
leave it out when they score, it is left out here at once.
"""

import re
from pathlib import Path
from typing import Optional, Union

from espnet_cbpc.data.kaldi.text_rules import read_lines
from espnet_cbpc.utils.cli import UserError

_LINE = re.compile(r"(?P<words>.*)\((?P<id>[^()\s]+)\)\s*")
# [cough]; and [<tap], [tap>], [ring/], [/ring], which mark the extent of one
_NOISE_MARK = re.compile(r"\[[^\[\]\s]+\]")
_DELETED_YET_SPOKEN = re.compile(r"<([\w']+)>")
_SPELLED = {"%PERCENT": "PERCENT", ".POINT": "POINT", "--DASH": "-DASH"}
_NO_WORDS = {"~", ".", "<NOISE>", ""}  # cut off; a pause; a noise


def normalise(words: str) -> str:
    r"""Return the words of a dot transcript as they are scored.

    Upper case; backslashes go; marks of noises and pauses go, with the word that they stand on;
    ``<and>`` (marked as deleted, yet spoken) is AND. Punctuation that the reader speaks is a
    word of its own, as ``,COMMA``. Hyphens and apostrophes within words stay, and so do the marks
    ``*`` and ``!`` of mispronunciation and stress.

    Args:
        words: such as ``the \"QUOTE firm\. [loud_breath] said``.
    """
    kept = (_normalise_word(word) for word in words.upper().replace("\\", "").split())
    return " ".join(word for word in kept if word)


def _normalise_word(word: str) -> str:
    if word in _NO_WORDS or _NOISE_MARK.search(word):
        return ""
    spoken = _DELETED_YET_SPOKEN.fullmatch(word)
    return spoken[1] if spoken else _SPELLED.get(word, word)


def read_dot(path: Union[str, Path]) -> dict[str, str]:
    """Read a file of lines ``words (id)``.

    Returns:
        The words, not normalised, by id in upper case.

    Raises:
        UserError: the file cannot be read, or a line is of another form.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        match = _LINE.fullmatch(line)
        if match:
            found[match["id"].upper()] = match["words"]
        elif line.strip():
            raise UserError(f"{path}:{number}: not of the form 'words (id)': restore the file")
    return found


def wsj_name(utterance: str) -> str:
    """Return the WSJ prompt of an id: 011C0201 of 011_011C0201_BUS, and of 011c0201."""
    parts = utterance.upper().split("_")
    return parts[1] if len(parts) > 1 else parts[0]


def read_dots_of_set(folder: Path, set_name: str) -> Optional[dict[str, str]]:
    """Read ``<set>.dot_all``, else ``<set>.trn_all``; None if neither exists."""
    for path in (folder / f"{set_name}.dot_all", folder / f"{set_name}.trn_all"):
        if path.is_file():
            return read_dot(path)
    return None
