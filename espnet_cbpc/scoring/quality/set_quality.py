# SPDX-License-Identifier: Apache-2.0
"""Speech quality of a set of noisy or enhanced utterances against their clean references."""

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Optional, Union

import numpy as np
from threadpoolctl import threadpool_limits

from espnet_cbpc.data.audio.audio_file import AudioError, read_audio, read_header
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.scoring.quality.measures import DEFAULT, MEASURES, chosen_measures, score_file
from espnet_cbpc.scoring.quality.score_cache import ScoreCache, pair_key
from espnet_cbpc.scoring.quality.utterance_quality import WIDE_BAND, speech_quality
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write
from espnet_cbpc.utils.parallel import parallel_map

PathLike = Union[str, Path]
Pair = tuple[str, str, str]  # utterance, reference path, path of the signal to score
CACHE = "cache.jsonl"


class _Work(NamedTuple):
    """Two files, and what is to be computed of them if their sampling rate is ``fs`` Hz."""

    ref: str
    inf: str
    fs: int
    measures: tuple[str, ...]


class _Outcome(NamedTuple):
    """Values by measure, the sampling rate in Hz, and what is wrong with the files if anything."""

    values: dict[str, float]
    fs: int
    fault: str


def score_enh(
    ref_scp: PathLike,
    inf_scp: PathLike,
    outdir: PathLike,
    utt2category: Optional[PathLike] = None,
    nj: int = 1,
    measures: Sequence[str] = (DEFAULT,),
) -> dict[str, dict[str, float]]:
    """Write ``<measure>_spk1`` (lines ``utterance value``) and ``result.txt`` with the means.

    Values are kept in ``cache.jsonl`` there as soon as they are computed. Those of files that have
    not changed since are not computed again, even if the run before was killed.

    Args:
        ref_scp: clean reference of each utterance.
        inf_scp: noisy or enhanced speech of each utterance.
        outdir: folder to write to; files of measures that are not asked for are removed.
        utt2category: SIMU, REAL or CLEAN of each utterance, of which SIMU are scored; None: all.
        nj: number of processes.
        measures: names as of :func:`espnet_cbpc.scoring.quality.measures.chosen_measures`.

    Returns:
        Values by measure and utterance; nan where a measure is undefined for an utterance.

    Raises:
        UserError: nothing to score, utterances that one of the files lacks, audio that cannot be
            read, pairs of different lengths or sampling rates, and measures that cannot be had.
    """
    pairs = _pairs(ref_scp, inf_scp, utt2category)
    fs = _sampling_rate(pairs)
    names = chosen_measures(measures, fs)
    outcomes = _outcomes(pairs, fs, names, ScoreCache(Path(outdir) / CACHE), nj)
    faults = [f"{pair[0]}: {found.fault}" for pair, found in zip(pairs, outcomes) if found.fault]
    if faults:
        raise UserError(
            f"{inf_scp}: {len(faults)} of {len(pairs)} utterance(s) cannot be scored "
            f"({listed(faults)}): correct the files or the references in {ref_scp}"
        )
    rates = sorted({found.fs for found in outcomes})
    if len(rates) > 1:
        raise UserError(f"{ref_scp}: sampling rates differ ({listed(rates)} Hz): use one")
    table = {
        name: {pair[0]: found.values[name] for pair, found in zip(pairs, outcomes)}
        for name in names
    }
    for name in MEASURES:  # of a former choice
        score_file(outdir, name).unlink(missing_ok=True)
    for name, values in table.items():
        with atomic_write(score_file(outdir, name)) as f:
            f.writelines(f"{utterance} {value!r}\n" for utterance, value in values.items())
    with atomic_write(Path(outdir) / "result.txt") as f:
        f.write(summary(table))
    return table


def _sampling_rate(pairs: list[Pair]) -> int:
    """Return the rate in Hz of the first reference that can be read."""
    for _, ref, _ in pairs:
        try:
            return read_header(ref)[1]
        except AudioError:  # reported with all the others
            continue
    return WIDE_BAND


def _outcomes(
    pairs: list[Pair], fs: int, names: tuple[str, ...], cache: ScoreCache, nj: int
) -> list[_Outcome]:
    """Return the outcome of each pair: what is known already, completed by what is not."""
    keys = [pair_key(ref, inf) for _, ref, inf in pairs]
    known = [cache.values(key, names) for key in keys]
    missing = [tuple(name for name in names if name not in values) for values in known]
    todo = [i for i, lacking in enumerate(missing) if lacking]
    if len(todo) < len(pairs):
        logging.info("%d of %d utterances were scored before", len(pairs) - len(todo), len(pairs))
    work = [_Work(*pairs[i][1:], fs, missing[i]) for i in todo]
    outcomes = [_Outcome(values, cache.rate(key) or 0, "") for key, values in zip(keys, known)]
    if todo:
        with threadpool_limits(1):  # of these short signals threads but wait for one another
            found = parallel_map(_score, work, len(work), nj, "speech quality")
            for i, outcome in zip(todo, found):
                if outcome.values and (key := keys[i]) is not None:
                    cache.add(key, outcome.fs, outcome.values)
                outcomes[i] = outcome._replace(values={**known[i], **outcome.values})
        cache.keep(keys)
    return outcomes


def summary(table: dict[str, dict[str, float]]) -> str:
    """Return the mean of each measure over the utterances where it is defined, and how many."""
    lines = [f"{'measure':<11} {'mean':>9} {'scored':>7} {'undefined':>9}"]
    for metric, values in table.items():
        mean, scored, undefined = mean_of_defined(values.values())
        lines.append(f"{metric:<11} {mean:>9.4f} {scored:>7} {undefined:>9}")
    return "\n".join(lines) + "\n"


def mean_of_defined(values: Iterable[float]) -> tuple[float, int, int]:
    """Return the mean of the finite values, their number, and the number of the others."""
    array = np.array(list(values), dtype=np.float64)
    defined = array[np.isfinite(array)]
    mean = float(defined.mean()) if len(defined) else math.nan
    return mean, len(defined), len(array) - len(defined)


def _pairs(ref_scp: PathLike, inf_scp: PathLike, utt2category: Optional[PathLike]) -> list[Pair]:
    refs, infs = read_table(ref_scp), read_table(inf_scp)
    wanted = refs.keys() | infs.keys()
    if utt2category is not None:
        categories = read_table(utt2category)
        _reject(wanted - categories.keys(), f"{utt2category}: {{}} missing: add their category")
        wanted = {key for key, category in categories.items() if category == "SIMU"}
    _reject(wanted - refs.keys(), f"{ref_scp}: {{}} of {inf_scp} missing: give the same set")
    _reject(wanted - infs.keys(), f"{inf_scp}: {{}} of {ref_scp} missing: finish the enhancement")
    if not wanted:
        raise UserError(
            f"{inf_scp}: no utterance of category SIMU: clean and real recordings have no "
            "reference to score against"
        )
    return [(key, refs[key], infs[key]) for key in sorted(wanted)]


def _reject(keys: Iterable[str], message: str) -> None:
    keys = sorted(keys)
    if keys:
        raise UserError(message.format(f"{len(keys)} utterance(s) ({listed(keys)})"))


def _score(work: _Work) -> _Outcome:
    try:
        (ref, ref_fs), (inf, inf_fs) = (read_audio(path) for path in (work.ref, work.inf))
    except AudioError as e:
        return _Outcome({}, 0, str(e))
    if ref_fs != inf_fs:
        return _Outcome({}, ref_fs, f"{inf_fs} Hz, its reference {ref_fs} Hz")
    if len(ref) != len(inf):
        return _Outcome({}, ref_fs, f"{len(inf)} samples, its reference {len(ref)}")
    if ref_fs != work.fs:  # found to be another than the rest's
        return _Outcome({}, ref_fs, "")
    return _Outcome(speech_quality(ref, inf, ref_fs, work.measures), ref_fs, "")
