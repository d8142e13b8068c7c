# SPDX-License-Identifier: Apache-2.0
"""The scores of a system on each utterance of a set, for each of its training seeds."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Union

import numpy as np

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.scoring.quality.measures import MEASURES, score_file
from espnet_cbpc.scoring.statistics.groups import number
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts, check_same_utterances, error_counts
from espnet_cbpc.utils.cli import UserError, listed

PathLike = Union[str, Path]
QualityTable = dict[str, dict[str, float]]  # value by measure and utterance
UNDEFINED = ("nan", "inf", "-inf")  # values that have no part in means


class Scores(NamedTuple):
    """Values of S seeds on U utterances; the sum of values by that of weights is what counts.

    Attributes:
        values: (S, U) errors, or values of a measure; 0 where the weight is.
        weights: (U,) reference words (or characters), or 1 for each utterance where a measure is
            defined in all seeds.
        least: below which no rate or mean can be: 0 of errors.
    """

    values: np.ndarray
    weights: np.ndarray
    least: float = -np.inf

    @property
    def rates(self) -> np.ndarray:
        """(S,) rate or mean of each seed; nan without weight."""
        weight = self.weights.sum()
        return self.values.sum(axis=1) / weight if weight else np.full(len(self.values), np.nan)

    def at(self, indices: Sequence[int]) -> "Scores":
        """Return the scores of some utterances."""
        return Scores(self.values[:, indices], self.weights[indices], self.least)

    @property
    def rate(self) -> float:
        """Rate or mean over all seeds."""
        return float(self.rates.mean())


class TextErrors(NamedTuple):
    """Texts of a system on a set, and its word or character errors.

    Attributes:
        ref: reference by utterance.
        hyp: hypothesis by utterance, for each seed.
        counts: for each seed the counts of each utterance, in the order of ``ref``.
    """

    ref: dict[str, str]
    hyp: list[dict[str, str]]
    counts: list[list[ErrorCounts]]

    @property
    def scores(self) -> Scores:
        """Errors (S, U) and reference words (U,)."""
        return Scores(
            np.array([[count.errors for count in counts] for counts in self.counts], dtype=float),
            np.array([count.words for count in self.counts[0]], dtype=float),
            least=0,
        )

    @classmethod
    def aligned(
        cls, ref: dict[str, str], hyp: list[dict[str, str]], unit: str = "word"
    ) -> "TextErrors":
        """Align each seed's hypotheses with the references, by ``unit``: ``word`` or ``char``."""
        return cls(ref, hyp, [list(error_counts(ref, of_seed, unit).values()) for of_seed in hyp])


def read_hypotheses(
    folders: Sequence[PathLike], set_name: str, ref: Mapping[str, str]
) -> list[dict[str, str]]:
    """Read what a system recognised, in each seed's inference folder with ``<set>/text``.

    Raises:
        UserError: a file is missing or malformed, or its utterances are not those of ``ref``.
    """
    hyps = []
    for folder in folders:
        path = Path(folder) / set_name / "text"
        hyps.append(read_table(path, allow_empty=True))
        try:
            check_same_utterances(ref, hyps[-1])
        except UserError as e:
            raise UserError(f"{path}: {e}") from e
    return hyps


def read_quality(folders: Sequence[PathLike], set_name: str) -> list[QualityTable]:
    """Read the speech quality scores of each seed of a system on a set.

    Args:
        folders: inference folder of each seed, with ``<set>/score_enh/<measure>_spk1``, or
            ``<set>/<measure>_spk1``.
        set_name: the set.

    Returns:
        One table a seed; no tables where the system has no scores.

    Raises:
        UserError: a file is malformed, or some of the folders have scores and others have none.
    """
    paths = [Path(folder) / set_name for folder in folders]
    tables = [_read_scores(path) for path in paths]
    without = [path for path, table in zip(paths, tables) if not table]
    if len(without) == len(paths):
        return []
    if without:
        raise UserError(
            f"{len(without)} of {len(paths)} seeds have no scores of speech quality "
            f"({listed(without)}): score all of them"
        )
    return tables


def measure_scores(
    tables: Sequence[QualityTable], measure: str, utterances: Sequence[str]
) -> Scores:
    """Return one measure of all seeds as numbers.

    Args:
        tables: as of :func:`read_quality`.
        measure: one that they have.
        utterances: ids; those that are not scored have no weight.
    """
    values = np.array([[table[measure].get(u, np.nan) for u in utterances] for table in tables])
    defined = np.isfinite(values).all(axis=0)
    return Scores(np.where(defined, values, 0.0), defined.astype(float))


def check_same_quality(
    set_name: str, known: Collection[str], systems: Mapping[str, list[QualityTable]]
) -> None:
    """Raise a :class:`UserError` where scores are not of the same measures and utterances.

    Args:
        set_name: for the message.
        known: the utterances of the set.
        systems: scores of each system, as of :func:`read_quality`.
    """
    flat = [(name, table) for name, tables in systems.items() for table in tables]
    if not flat:
        return
    measures = flat[0][1].keys()
    first = next(iter(flat[0][1].values())).keys()
    for name, table in flat:
        if table.keys() != measures:
            raise UserError(
                f"{set_name}: {name} is scored by {', '.join(table)}, others by "
                f"{', '.join(measures)}: score all again, at one sampling rate"
            )
        for measure, values in table.items():
            odd = sorted(first ^ values.keys()) or sorted(values.keys() - set(known))
            if odd:
                raise UserError(
                    f"{set_name}: {measure} of {name} covers other utterances than the rest "
                    f"({len(odd)}: {listed(odd)}): score the same set for all systems"
                )


def _read_scores(folder: Path) -> QualityTable:
    if (folder / "score_enh").exists():
        folder = folder / "score_enh"
    tables = {}
    for measure in MEASURES:
        path = score_file(folder, measure)
        if path.exists():
            table = read_table(path)
            wrong = [k for k, v in table.items() if number(v) is None and v not in UNDEFINED]
            if wrong:
                raise UserError(f"{path}: no number for {listed(wrong)}: score the speech again")
            tables[measure] = {key: float(value) for key, value in table.items()}
    return tables
