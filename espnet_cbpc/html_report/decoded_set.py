"""A test set with what each system made of it, read from the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from espnet_cbpc.data.kaldi_dir import read_table
from espnet_cbpc.data.table import Table
from espnet_cbpc.scoring.error_counts import ErrorCounts, error_counts
from espnet_cbpc.utils.cli import UserError


@dataclass(frozen=True, eq=False)
class DecodedSet:
    """References, hypotheses and errors of one set. Of its audio only the paths are here.

    Attributes:
        name: of the set.
        directory: the formatted data directory.
        ref: reference text by utterance.
        hyp: system to hypothesis by utterance, of its first folder.
        counts: system to word errors by utterance, summed over its folders.
        properties: ``utt2*`` table by name, ``utt2category`` and the breakdowns that are there.
    """

    name: str
    directory: Path
    ref: Table
    hyp: Dict[str, Table]
    counts: Dict[str, Dict[str, ErrorCounts]]
    properties: Dict[str, Table]

    @classmethod
    def read(
        cls,
        directory: Path,
        systems: Mapping[str, Sequence[Path]],
        breakdowns: Sequence[str],
    ) -> "DecodedSet":
        """Read a set.

        Args:
            directory: formatted data directory with ``text``.
            systems: system to its inference folders, one a training seed.
            breakdowns: names of ``utt2*`` tables to read where they are there.

        Raises:
            UserError: a file is missing or malformed, or utterances differ.
        """
        ref = read_table(directory / "text")
        hyp: Dict[str, Table] = {}
        counts: Dict[str, Dict[str, ErrorCounts]] = {}
        for system, folders in systems.items():
            runs: List[Dict[str, ErrorCounts]] = []
            for folder in folders:
                path = folder / directory.name / "text"
                texts = read_table(path, allow_empty=True)
                hyp.setdefault(system, texts)
                try:
                    runs.append(error_counts(ref, texts, "word"))
                except UserError as e:
                    raise UserError(f"{system} ({path}): {e}") from e
            counts[system] = {key: sum((run[key] for run in runs), ErrorCounts()) for key in ref}
        names = ["utt2category", *breakdowns]
        properties = {n: read_table(directory / n) for n in names if (directory / n).exists()}
        return cls(directory.name, directory, ref, hyp, counts, properties)

    def value(self, breakdown: str, utterance: str) -> Optional[str]:
        """Return an utterance's value in a ``utt2*`` table, None where it has none."""
        return self.properties.get(breakdown, {}).get(utterance)

    def category(self, utterance: str) -> str:
        """Return SIMU, REAL or CLEAN; REAL where it is not known."""
        return self.value("utt2category", utterance) or "REAL"


def property_name(breakdown: str) -> str:
    """Return what a ``utt2*`` table tells, as ``SNR`` or ``noise``."""
    if breakdown == "utt2snr":
        return "SNR"
    return breakdown[4:] if breakdown.startswith("utt2") else breakdown


def with_unit(breakdown: str, value: str) -> str:
    """Return a value of a ``utt2*`` table as one reads it: SNRs in dB."""
    if breakdown != "utt2snr":
        return value
    try:
        return f"{float(value):g} dB"
    except ValueError:
        return value
