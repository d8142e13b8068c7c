# SPDX-License-Identifier: Apache-2.0
"""Error rates and speech quality of several systems on one set, in total and by groups."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.scoring.statistics.estimates import (
    Blocks,
    Resampling,
    balanced,
    interval_kind,
    intervals,
)
from espnet_cbpc.scoring.statistics.groups import MOST_GROUPS, group, number
from espnet_cbpc.scoring.statistics.utterance_scores import PathLike, Scores, TextErrors
from espnet_cbpc.scoring.wer.error_counts import ErrorCounts
from espnet_cbpc.utils.cli import UserError, listed

MEAN_OVER = (0.0, 5.0, 10.0)  # dB
FEW_BLOCKS = 10
Result = dict[str, Any]
Place = tuple[str, ...]  # where a part's numbers stand in a result


class Split(NamedTuple):
    """How the utterances of a set are split.

    Attributes:
        name: of the set.
        ref: reference by utterance.
        parts: indices of the utterances of each part: ``("total",)``, ``("groups", value)`` of the
            first table, ``("further", table, value)`` of the others.
        blocks: label of each utterance, or None.
    """

    name: str
    ref: dict[str, str]
    parts: dict[Place, list[int]]
    blocks: Blocks


def read_split(
    data_root: PathLike, set_name: str, breakdowns: Sequence[str], block: Optional[str]
) -> Split:
    """Read how to split a set.

    Args:
        data_root: folder of the sets.
        set_name: the set, with its ``text``.
        breakdowns: tables in its folder; one that is missing there, or that has too many values,
            makes no groups.
        block: table in its folder with a label of every utterance; None: no blocks.

    Raises:
        UserError: ``text`` or ``block`` cannot be read, or utterances have no block.
    """
    folder = Path(data_root) / set_name
    ref = read_table(folder / "text")
    index = {utterance: i for i, utterance in enumerate(ref)}
    parts: dict[Place, list[int]] = {("total",): list(index.values())}
    for table in breakdowns:
        place = ("groups",) if table == breakdowns[0] else ("further", table)
        if (folder / table).exists():
            groups = group(ref, read_table(folder / table))
            if len(groups) <= MOST_GROUPS:
                parts.update({(*place, v): [index[u] for u in groups[v]] for v in groups})
    return Split(set_name, ref, parts, _blocks(folder, block, list(ref)))


def rate_results(
    read: Mapping[str, TextErrors], split: Split, how: Resampling
) -> dict[str, Result]:
    """Return error counts, rates and intervals by system: ``total``, ``groups``, ``further``.

    The counts are summed over seeds; ``seeds`` holds the rate of each. ``mean`` is the mean of the
    groups of 0, 5 and 10 dB where the first table has them, else None.
    """
    scores = {system: found.scores for system, found in read.items()}
    results: dict[str, Result] = {system: {"groups": {}} for system in read}
    for place, indices in split.parts.items():
        for system, row, interval in _with_intervals(scores, indices, split, how):
            part = _rate(read[system], row, indices, interval)
            _put(results[system], place, part)
    middle = _groups_of_mean(split)
    for result in results.values():
        result.update({"mean": None, "mean_interval": None, "mean_seeds": None})
    if middle and all(scores[s].at(g).weights.any() for s in scores for g in middle):
        even = {system: balanced(row, middle) for system, row in scores.items()}
        groups = sorted(group for several in middle for group in several)
        for system, row, interval in _with_intervals(even, groups, split, how):
            found = {"mean": row.rate, "mean_interval": interval, "mean_seeds": list(row.rates)}
            results[system].update(found)
    return results


def quality_results(
    scores: Mapping[str, Mapping[str, Scores]],
    scored: Sequence[int],
    split: Split,
    how: Resampling,
) -> dict[str, Result]:
    """Return means and intervals of speech quality by system: ``total``, ``groups``, ``further``.

    Args:
        scores: by measure and system.
        scored: indices of the utterances that have scores, even if undefined.
        split: of the set.
        how: intervals are made.
    """
    results: dict[str, Result] = {}
    for measure, rows in scores.items():
        for place, indices in split.parts.items():
            members = sorted(set(indices) & set(scored))
            if not members:
                continue
            for system, row, interval in _with_intervals(rows, members, split, how):
                defined = int(row.weights.sum())
                mean = {
                    "mean": row.rate,
                    "interval": interval,
                    "interval_kind": interval_kind(len(row.values)),
                    "seeds": list(row.rates),
                    "scored": defined,
                    "undefined": len(members) - defined,
                }
                _put(results.setdefault(system, {"groups": {}}), (*place, measure), mean)
    return results


def _with_intervals(
    scores: Mapping[str, Scores], indices: Sequence[int], split: Split, how: Resampling
) -> list[tuple[str, Scores, tuple[float, float]]]:
    """Return the scores of a part, and their intervals, by system."""
    rows = [row.at(indices) for row in scores.values()]
    blocks = None if split.blocks is None else np.asarray(split.blocks)[list(indices)]
    return list(zip(scores, rows, intervals(rows, blocks, how)))


def _rate(
    read: TextErrors, row: Scores, indices: Sequence[int], interval: tuple[float, float]
) -> Result:
    counts = [of_seed[i] for of_seed in read.counts for i in indices]
    total = sum(counts, ErrorCounts())
    return {
        **asdict(total),
        "correct": total.correct,
        "errors": total.errors,
        "rate": total.rate,
        "interval": interval,
        "interval_kind": interval_kind(len(row.values)),
        "seeds": list(row.rates),
        "sentences": len(counts),
        "wrong_sentences": sum(count.errors > 0 for count in counts),
    }


def _put(result: Result, place: Place, value: Any) -> None:
    for key in place[:-1]:
        result = result.setdefault(key, {})
    result[place[-1]] = value


def _groups_of_mean(split: Split) -> list[list[int]]:
    """Return the utterances of each SNR that the mean is over, nothing where one is missing."""
    by_snr = {
        number(place[1]): indices for place, indices in split.parts.items() if place[0] == "groups"
    }
    return [by_snr[snr] for snr in MEAN_OVER] if all(s in by_snr for s in MEAN_OVER) else []


def _blocks(folder: Path, block: Optional[str], utterances: Sequence[str]) -> Blocks:
    if block is None:
        return None
    table = read_table(folder / block)
    without = [utterance for utterance in utterances if utterance not in table]
    if without:
        raise UserError(
            f"{folder / block}: {len(without)} of {len(utterances)} utterance(s) missing "
            f"({listed(without)}): give each a block, or leave --block out"
        )
    labels = [table[utterance] for utterance in utterances]
    count = len(set(labels))
    if count < FEW_BLOCKS:
        logging.warning(
            "%s: %d block(s) are few: bootstrap intervals are too narrow, and undefined for one block",
            folder / block,
            count,
        )
    return labels
