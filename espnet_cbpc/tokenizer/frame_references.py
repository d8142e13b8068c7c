# SPDX-License-Identifier: Apache-2.0
"""A reference symbol for every encoder frame: from a CTM file, or from a CTC posterior."""

import logging
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

# Times of two decimals: start + duration may pass the next start by as much, from rounding alone.
ROUNDING = 0.015


@dataclass(frozen=True)
class Entry:
    """A line of a CTM file; times in seconds, ``where`` is file:line."""

    utterance: str
    start: float
    end: float
    symbol: str
    where: str


def ctm_references(
    path: PathLike, frames: Mapping[str, int], durations: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Read the symbol of each frame from a CTM file of words or phones.

    Frame t of T stands for the time (t + 0.5) * duration / T; it has no symbol (None) where no
    entry covers that time. Where two entries overlap by no more than the rounding of their times,
    the later one counts.

    Args:
        path: lines ``utterance channel start duration symbol``, times in seconds from the start of
            the utterance; the channel, what follows the symbol, and lines of ``;;`` are ignored.
        frames: T of each utterance.
        durations: of the same utterances, in seconds.

    Returns:
        (T,) symbols of each utterance of ``frames`` that the file has. Utterances that are only in
        the file are left out, and a warning tells how many.

    Raises:
        UserError: the file cannot be read, has a malformed line, an entry that overlaps another or
            begins after its utterance, or no utterance of ``frames``.
    """
    entries, unknown = _read_ctm(path, frames)
    if not entries:
        raise UserError(
            f"{path}: none of its {len(unknown)} utterance(s) ({listed(unknown)}) is among the "
            f"{len(frames)} labelled: give the file of this data set, with the same ids"
        )
    if unknown:
        logging.warning(
            "%s: %d of %d utterances are not labelled and left out (%s)",
            path,
            len(unknown),
            len(unknown) + len(entries),
            listed(unknown),
        )
    for of_utterance in entries.values():
        of_utterance.sort(key=lambda entry: (entry.start, entry.end))
        _check_overlap(of_utterance)
    return {
        utt: _frame_symbols(entries[utt], frames[utt], durations[utt])
        for utt in frames
        if utt in entries
    }


def ctc_tokens(
    log_probs: np.ndarray, token_list: Sequence[str], blank: int = 0
) -> list[Optional[str]]:
    """Return the most probable token of each frame; None where that is the blank.

    A blank says only that no token starts here: CTC output is peaky, and the token nearest in time
    may be many frames off. Frames of blank thus have no reference, rather than their neighbour's.

    Args:
        log_probs: (T, V) log posterior of the tokens.
        token_list: the V tokens.
        blank: index of the blank.

    Raises:
        UserError: ``log_probs`` is not (T, V).
    """
    if log_probs.ndim != 2 or log_probs.shape[1] != len(token_list):
        raise UserError(
            f"the posterior is {log_probs.shape}, but the token list has {len(token_list)} tokens: "
            "give the token list of the model"
        )
    best = log_probs.argmax(1)
    return [None if v == blank else token_list[v] for v in best]


def _read_ctm(path: PathLike, known: Container[str]) -> tuple[dict[str, list[Entry]], list[str]]:
    # the entries of each known utterance, and the ids of the others: the file may be far larger
    entries: dict[str, list[Entry]] = {}
    unknown = set()
    try:
        with open(path, encoding="utf-8-sig") as f:
            for number, line in enumerate(f, 1):
                if line.startswith(";;"):
                    continue
                entry = _parse(line, f"{path}:{number}")
                if entry.utterance in known:
                    entries.setdefault(entry.utterance, []).append(entry)
                else:
                    unknown.add(entry.utterance)
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text ({e}): convert the file") from e
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    return entries, sorted(unknown)


def _parse(line: str, where: str) -> Entry:
    fields = line.split()
    if len(fields) < 5:
        raise UserError(
            f"{where}: {len(fields)} field(s): a line is 'utterance channel start duration symbol'"
        )
    utterance, _, start, duration, symbol = fields[:5]
    begin, length = _seconds(start, "start", where), _seconds(duration, "duration", where)
    return Entry(utterance, begin, begin + length, symbol, where)


def _seconds(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{where}: {name} '{text}' must be a number of seconds, at least 0")
    return value


def _check_overlap(entries: Sequence[Entry]) -> None:
    for before, entry in zip(entries, entries[1:]):
        if before.end - entry.start > ROUNDING:
            raise UserError(
                f"{entry.where}: '{entry.symbol}' of '{entry.utterance}' starts at "
                f"{entry.start:g} s, before the end at {before.end:g} s of '{before.symbol}' "
                f"({before.where}): keep one channel, speaker and kind of symbol"
            )


def _frame_symbols(entries: Sequence[Entry], n_frames: int, duration: float) -> np.ndarray:
    if entries[-1].start > duration + ROUNDING:
        raise UserError(
            f"{entries[-1].where}: starts at {entries[-1].start:g} s, but '{entries[-1].utterance}'"
            f" is {duration:g} s long: give times from the start of the utterance"
        )
    times = (np.arange(n_frames) + 0.5) * duration / n_frames
    last = np.searchsorted([entry.start for entry in entries], times, side="right") - 1
    covered = (last >= 0) & (times < np.array([entry.end for entry in entries])[last])
    symbols = np.array([entry.symbol for entry in entries], dtype=object)[last]
    symbols[~covered] = None
    return symbols
