# SPDX-License-Identifier: Apache-2.0
"""Word and character errors, counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from espnet_cbpc.scoring.wer.word_alignment import Chunk, align_texts
from espnet_cbpc.utils.cli import UserError, listed


@dataclass(frozen=True)
class ErrorCounts:
    """Errors against ``words`` reference words (or characters).

    Raises:
        ValueError: a negative count, or more substitutions and deletions than words.
    """

    words: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __post_init__(self) -> None:
        counts = (self.words, self.substitutions, self.deletions, self.insertions)
        if min(counts) < 0 or self.substitutions + self.deletions > self.words:
            raise ValueError(f"inconsistent counts: {self}")

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def correct(self) -> int:
        """Words recognised as they were said."""
        return self.words - self.substitutions - self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference word, which may exceed 1; nan without words."""
        return self.errors / self.words if self.words else float("nan")


def error_counts(
    ref: Mapping[str, str], hyp: Mapping[str, str], unit: str = "word"
) -> dict[str, ErrorCounts]:
    """Count the errors of each utterance, in the alignment with the fewest.

    Args:
        ref: reference text by utterance id.
        hyp: hypothesis by utterance id; it may be empty.
        unit: ``word``, or ``char``, where the blank between words counts as a character.

    Returns:
        Counts by utterance id, in the order of ``ref``.

    Raises:
        UserError: an utterance lacks its hypothesis, or a hypothesis its utterance.
    """
    check_same_utterances(ref, hyp)
    return {key: count_errors(align_texts(text, hyp[key], unit)) for key, text in ref.items()}


def count_errors(chunks: Iterable[Chunk]) -> ErrorCounts:
    """Count the errors of an alignment (:func:`.word_alignment.align_texts`)."""
    kinds = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
    for chunk in chunks:
        kinds[chunk.kind] += max(len(chunk.ref), len(chunk.hyp))
    equal, *wrong = kinds.values()
    return ErrorCounts(equal + wrong[0] + wrong[1], *wrong)


def check_same_utterances(ref: Mapping[str, str], hyp: Mapping[str, str]) -> None:
    """Raise a :class:`UserError` that names the utterances which only one of the two has."""
    missing, extra = sorted(ref.keys() - hyp.keys()), sorted(hyp.keys() - ref.keys())
    if missing or extra:
        lacks = {
            "utterance(s) without hypothesis": missing,
            "hypothesis(es) without reference": extra,
        }
        parts = [f"{len(ids)} {what} ({listed(ids)})" for what, ids in lacks.items() if ids]
        raise UserError(f"{' and '.join(parts)}: decode the set that the references belong to")
