# SPDX-License-Identifier: Apache-2.0
"""Word alignment of a hypothesis with its reference."""

from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from espnet_cbpc.data.kaldi.text_rules import tidied

SPACE = "<space>"
KINDS = {"replace": "substitute"}  # rapidfuzz's names that are other ones here


class Chunk(NamedTuple):
    """A stretch of an alignment.

    Attributes:
        kind: ``equal``, ``substitute``, ``delete`` or ``insert``.
        ref: reference tokens; none of an insertion.
        hyp: hypothesis tokens; none of a deletion, else as many as in ``ref``.
    """

    kind: str
    ref: list[str]
    hyp: list[str]


def align_texts(ref: str, hyp: str, unit: str = "word") -> list[Chunk]:
    """Align two texts with the least number of errors (Levenshtein distance).

    Args:
        ref: what was said; it may be empty.
        hyp: what was recognised; it may be empty.
        unit: ``word``, or ``char``, where the blank between words counts as ``<space>``.

    Returns:
        The chunks in order; their tokens, joined, are those of the two texts. Of several alignments
        with as few errors it is the one that rapidfuzz finds, and with it jiwer.
    """
    said, heard = tokens(ref, unit), tokens(hyp, unit)
    return [
        Chunk(
            KINDS.get(code.tag, code.tag),
            said[code.src_start : code.src_end],
            heard[code.dest_start : code.dest_end],
        )
        for code in Levenshtein.opcodes(said, heard)
    ]


def tokens(text: str, unit: str) -> list[str]:
    """Split into words, or characters with ``<space>`` between words (``unit`` word or char)."""
    words = tidied(text).split()
    return words if unit == "word" else [SPACE if c == " " else c for c in " ".join(words)]
