# SPDX-License-Identifier: Apache-2.0
"""A test set with the output of each system, read from files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.data.kaldi.table import Table
from espnet_cbpc.scoring.statistics.utterance_scores import Scores, TextErrors, read_hypotheses
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts
from espnet_cbpc.scoring.wer.text_normalizer import NONE, normalized


@dataclass(frozen=True, eq=False)
class DecodedSet:
    """References, hypotheses and errors of one set. Of its audio only the paths are here.

    Attributes:
        name: of the set.
        directory: the formatted data directory.
        ref: reference text by utterance.
        hyp: system to hypothesis by utterance, of its first folder.
        counts: system to word errors by utterance, summed over its folders.
        scores: system to errors and words, for each folder.
        properties: ``utt2*`` table by name, those that exist.
    """

    name: str
    directory: Path
    ref: Table
    hyp: dict[str, Table]
    counts: dict[str, dict[str, ErrorCounts]]
    scores: dict[str, Scores]
    properties: dict[str, Table]

    @classmethod
    def read(
        cls,
        directory: Path,
        systems: Mapping[str, Sequence[Path]],
        tables: Sequence[str],
        text_normalizer: str = NONE,
    ) -> "DecodedSet":
        """Read a set.

        Args:
            directory: formatted data directory with ``text``.
            systems: system to its inference folders, one per training seed.
            tables: names of ``utt2*`` tables to read if present.
            text_normalizer: that of the results.

        Raises:
            UserError: a file is missing or malformed, or utterances differ.
        """
        ref = normalized(read_table(directory / "text"), text_normalizer)
        hyp, counts, scores = {}, {}, {}
        for system, folders in systems.items():
            read = read_hypotheses(folders, directory.name, ref)
            texts = [normalized(of_seed, text_normalizer) for of_seed in read]
            found = TextErrors.aligned(ref, texts)
            sums = (sum(of_seeds, ErrorCounts()) for of_seeds in zip(*found.counts))
            hyp[system], counts[system] = found.hyp[0], dict(zip(ref, sums))
            scores[system] = found.scores
        names = ["utt2category", *tables]
        properties = {n: read_table(directory / n) for n in names if (directory / n).exists()}
        return cls(directory.name, directory, ref, hyp, counts, scores, properties)

    def value(self, breakdown: str, utterance: str) -> Optional[str]:
        """Return an utterance's value in a ``utt2*`` table, None where it has none."""
        return self.properties.get(breakdown, {}).get(utterance)

    def category(self, utterance: str) -> str:
        """Return SIMU, REAL or CLEAN; REAL where it is not known."""
        return self.value("utt2category", utterance) or "REAL"
