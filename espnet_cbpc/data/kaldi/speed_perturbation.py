# SPDX-License-Identifier: Apache-2.0
"""Speed perturbation of a data directory.

Source: T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import soxr

from espnet_cbpc.data.kaldi.atomic_dir import check_apart, whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import AUDIO_TABLES, DataDir, Table, write_tables
from espnet_cbpc.data.kaldi.signals import AudioFolder, Utterance, common_gain, map_utterances
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

# what formatting derives again
STALE = ("utt2num_samples", "utt2dur", "clean.scp", "noisy.scp")


def perturb_data_dir(
    in_dir: PathLike, out_dir: PathLike, factors: Sequence[float], nj: int = 1
) -> None:
    """Write a data directory with a copy of every utterance at each speed.

    At factor 0.9 an utterance is 1/0.9 times as long, and its pitch falls with its tempo. Noisy,
    clean and noise signals are resampled alike and share one gain where one would clip. Ids and
    speakers get the prefix ``sp0.9-``; factor 1 keeps ids and files. All tables go along, save
    ``clean.scp`` and those of lengths, which formatting recomputes.

    Args:
        in_dir: the data directory.
        out_dir: the result, written atomically, replacing an earlier one.
        factors: speeds, positive and distinct.
        nj: number of processes.

    Raises:
        UserError: a factor is not positive or occurs twice, the directory or its audio is faulty,
            or a new id is in use.
    """
    if min(factors) <= 0 or len(set(map(_prefix, factors))) < len(factors):
        raise UserError(f"--factors {listed(factors)}: must be positive and distinct")
    data = DataDir.read(in_dir, require_text=False)
    check_apart(in_dir, out_dir)
    tables: dict[str, Table] = {name: {} for name in data.tables if name not in STALE}
    tables["utt2category"] = {}
    with whole_directory(out_dir) as temporary:
        folder = AudioFolder(temporary, Path(out_dir), "wav")
        for factor in factors:
            for name, table in _at_speed(data, factor, folder, nj).items():
                _add(tables[name], table)
        write_tables(temporary, {name: table for name, table in tables.items() if table})


def _prefix(factor: float) -> str:
    return "" if factor == 1 else f"sp{factor:g}-"


def _at_speed(data: DataDir, factor: float, folder: AudioFolder, nj: int) -> dict[str, Table]:
    tables = {n: t for n, t in data.tables.items() if n not in STALE}
    tables["utt2category"] = data.categories
    if factor == 1:
        return tables
    work = partial(_perturb_utterance, factor=factor, folder=folder)
    paths = map_utterances(work, data, nj, f"speed {factor:g}")
    for name in AUDIO_TABLES:
        if name in tables:
            tables[name] = {key: own[name] for key, own in paths.items() if name in own}
    prefix = _prefix(factor)
    tables["utt2spk"] = {key: prefix + speaker for key, speaker in tables["utt2spk"].items()}
    return {n: {prefix + key: value for key, value in t.items()} for n, t in tables.items()}


def _perturb_utterance(utterance: Utterance, factor: float, folder: AudioFolder) -> dict[str, str]:
    signals, fs = utterance.read()
    slowed = {name: soxr.resample(signal, factor, 1.0) for name, signal in signals.items()}
    gain, key = common_gain(slowed), _prefix(factor) + utterance.id
    return {name: folder.write(name, key, gain * signal, fs) for name, signal in slowed.items()}


def _add(table: Table, more: Table) -> None:
    taken = sorted(table.keys() & more.keys())
    if taken:
        raise UserError(
            f"{len(taken)} perturbed id(s) are already in use ({listed(taken)}): "
            "perturb the directory that has the recordings at their original speed"
        )
    table.update(more)
