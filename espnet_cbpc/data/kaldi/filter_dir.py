# SPDX-License-Identifier: Apache-2.0
"""Leave out utterances that are too short or too long."""

from dataclasses import dataclass

from espnet_cbpc.data.kaldi.atomic_dir import check_apart
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, Table, write_data_dir
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike


@dataclass(frozen=True)
class Filtered:
    """How many utterances a filter kept, found too short and found too long."""

    kept: int
    short: int
    long: int


def filter_data_dir(
    in_dir: PathLike, out_dir: PathLike, fs: int, min_seconds: float, max_seconds: float
) -> Filtered:
    """Write a directory without the utterances outside a range of lengths.

    Args:
        in_dir: a formatted directory, that is one with ``utt2num_samples``; its audio is referenced
            and not copied.
        out_dir: the result, written atomically, replacing an earlier one.
        fs: sampling rate in Hz of ``utt2num_samples``.
        min_seconds: shortest length kept.
        max_seconds: longest length kept.

    Returns:
        The counts.

    Raises:
        UserError: lengths are missing or malformed, the range is empty, or nothing is left.
    """
    if min_seconds > max_seconds:
        raise UserError(f"--min_seconds {min_seconds} exceeds --max_seconds {max_seconds}")
    data = DataDir.read(in_dir, require_text=False)
    check_apart(in_dir, out_dir)
    seconds = {key: length / fs for key, length in num_samples(data).items()}
    short = sum(s < min_seconds for s in seconds.values())
    long = sum(s > max_seconds for s in seconds.values())
    kept = {key for key, s in seconds.items() if min_seconds <= s <= max_seconds}
    if not kept:
        raise UserError(
            f"{data.path}: all {len(seconds)} utterances are shorter than {min_seconds} s "
            f"({short}) or longer than {max_seconds} s ({long}): widen --min_seconds and "
            "--max_seconds"
        )
    write_data_dir(out_dir, _subset(data, kept))
    return Filtered(len(kept), short, long)


def _subset(data: DataDir, kept: set[str]) -> dict[str, Table]:
    tables = {
        name: {key: value for key, value in table.items() if key in kept}
        for name, table in data.tables.items()
    }
    return {name: table for name, table in tables.items() if table}


def num_samples(data: DataDir) -> dict[str, int]:
    """Return ``utt2num_samples`` of a formatted directory.

    Raises:
        UserError: there is none, or it lacks utterances, or holds what is no number.
    """
    table = data.tables.get("utt2num_samples", {})
    wrong = [key for key in data.ids if not table.get(key, "").isdecimal() or not int(table[key])]
    if wrong:
        raise UserError(
            f"{data.path}/utt2num_samples: {len(wrong)} utterance(s) without a number of samples "
            f"({listed(wrong)}): format the directory first"
        )
    return {key: int(table[key]) for key in data.ids}
