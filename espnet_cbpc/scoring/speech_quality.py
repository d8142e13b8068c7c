"""Speech quality of a set of noisy or enhanced utterances against their clean references."""

import math
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple, Union

import numpy as np

from espnet_cbpc.data.audio import AudioError, read_audio
from espnet_cbpc.data.kaldi_dir import read_table
from espnet_cbpc.scoring.composite import COMPOSITE
from espnet_cbpc.scoring.quality_metrics import metric_names, speech_quality
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write
from espnet_cbpc.utils.parallel import parallel_map

PathLike = Union[str, Path]
Pair = Tuple[str, str, str]  # utterance, reference path, path of the signal to score
METRICS = ("PESQ_NB", "PESQ_WB", *COMPOSITE, "STOI", "ESTOI", "SI_SDR")


def score_file(folder: PathLike, metric: str) -> Path:
    """Return where :func:`score_enh` writes a measure of each utterance."""
    return Path(folder) / f"{metric}_spk1"


def score_enh(
    ref_scp: PathLike,
    inf_scp: PathLike,
    outdir: PathLike,
    utt2category: Optional[PathLike] = None,
    nj: int = 1,
) -> Dict[str, Dict[str, float]]:
    """Write ``<measure>_spk1`` (lines ``utterance value``) and ``result.txt`` with the means.

    Args:
        ref_scp: clean reference of each utterance.
        inf_scp: noisy or enhanced speech of each utterance.
        outdir: folder to write to.
        utt2category: SIMU, REAL or CLEAN of each utterance, of which SIMU are scored; None: all.
        nj: number of processes.

    Returns:
        Values by measure and utterance; nan where a measure is undefined for an utterance.

    Raises:
        UserError: nothing to score, utterances that one of the files lacks, audio that cannot be
            read, and pairs of different lengths or sampling rates.
    """
    pairs = _pairs(ref_scp, inf_scp, utt2category)
    outcomes = list(parallel_map(_score, pairs, len(pairs), nj, "speech quality"))
    faults = [f"{pair[0]}: {fault}" for pair, (_, _, fault) in zip(pairs, outcomes) if fault]
    if faults:
        raise UserError(
            f"{inf_scp}: {len(faults)} of {len(pairs)} utterance(s) cannot be scored "
            f"({listed(faults)}): correct the files or the references in {ref_scp}"
        )
    rates = sorted({fs for _, fs, _ in outcomes})
    if len(rates) > 1:
        raise UserError(f"{ref_scp}: sampling rates differ ({listed(rates)} Hz): use one")
    table = {
        metric: {pair[0]: scores[metric] for pair, (scores, _, _) in zip(pairs, outcomes)}
        for metric in metric_names(rates[0])
    }
    for metric in METRICS:  # of a former rate
        score_file(outdir, metric).unlink(missing_ok=True)
    for metric, values in table.items():
        with atomic_write(score_file(outdir, metric)) as f:
            f.writelines(f"{utterance} {value!r}\n" for utterance, value in values.items())
    with atomic_write(Path(outdir) / "result.txt") as f:
        f.write(summary(table))
    return table


def summary(table: Dict[str, Dict[str, float]]) -> str:
    """Return the mean of each measure over the utterances where it is defined, and how many."""
    lines = [f"{'measure':<8} {'mean':>9} {'scored':>7} {'undefined':>9}"]
    for metric, values in table.items():
        mean, scored, undefined = mean_of_defined(values.values())
        lines.append(f"{metric:<8} {mean:>9.4f} {scored:>7} {undefined:>9}")
    return "\n".join(lines) + "\n"


def mean_of_defined(values: Iterable[float]) -> Tuple[float, int, int]:
    """Return the mean of the values that are not nan, their number, and the number of nan."""
    values = np.array(list(values), dtype=np.float64)
    defined = values[~np.isnan(values)]
    mean = float(defined.mean()) if len(defined) else math.nan
    return mean, len(defined), len(values) - len(defined)


def _pairs(ref_scp: PathLike, inf_scp: PathLike, utt2category: Optional[PathLike]) -> List[Pair]:
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


def _score(pair: Pair) -> Tuple[Dict[str, float], int, str]:
    """Return the values, the sampling rate in Hz, and what is wrong with the pair if anything."""
    try:
        (ref, ref_fs), (inf, inf_fs) = (read_audio(path) for path in pair[1:])
    except AudioError as e:
        return {}, 0, str(e)
    if ref_fs != inf_fs:
        return {}, ref_fs, f"{inf_fs} Hz, its reference {ref_fs} Hz"
    if len(ref) != len(inf):
        return {}, ref_fs, f"{len(inf)} samples, its reference {len(ref)}"
    return speech_quality(ref, inf, ref_fs), ref_fs, ""
