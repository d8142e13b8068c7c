# SPDX-License-Identifier: Apache-2.0
"""Speech of a data directory, enhanced by another tool."""

from pathlib import Path

import numpy as np

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.kaldi.table import read_table
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

SUFFIXES = (".wav", ".flac")
MAX_DIFFERENCE = 0.1  # seconds; tools that work in frames lose or add a part of one at the end


def enhanced_files(source: PathLike, data: DataDir) -> dict[str, Path]:
    """Return the file of each utterance's enhanced speech.

    Args:
        source: folder with ``<utterance>.wav`` (or ``.flac``), or with a table ``spk1.scp`` or
            ``wav.scp`` that names the files, or a set of our own inference's results, which has
            these in ``enhanced``.
        data: the noisy speech.

    Raises:
        UserError: no such folder, or utterances without a file.
    """
    source = Path(source)
    if not source.is_dir():
        raise UserError(f"{source}: no such folder of enhanced speech")
    if (source / "enhanced").is_dir():
        source = source / "enhanced"
    table = next((source / n for n in ("spk1.scp", "wav.scp") if (source / n).is_file()), None)
    if table is None:
        named = [(u, source / f"{u}{suffix}") for u in data.ids for suffix in SUFFIXES]
        found = {utterance: path for utterance, path in named if path.is_file()}
    else:
        found = {utterance: Path(path) for utterance, path in read_table(table).items()}
    missing = [utterance for utterance in data.ids if utterance not in found]
    if missing:
        raise UserError(
            f"{table or source}: no enhanced speech of {len(missing)} of {len(data.ids)} "
            f"utterances ({listed(missing)}): enhance all of {data.path}"
        )
    return {utterance: found[utterance] for utterance in data.ids}


def read_enhanced(path: PathLike, length: int, fs: int) -> np.ndarray:
    """Read enhanced speech, its end cut or filled with zeros to fit the noisy speech.

    Args:
        path: the file.
        length: samples of the noisy speech.
        fs: its sampling rate in Hz.

    Returns:
        (length,) float32.

    Raises:
        UserError: another sampling rate, or a length that differs by more than 0.1 s.
        AudioError: a file that cannot be used.
    """
    samples, rate = read_audio(path)
    if rate != fs:
        raise UserError(
            f"{path}: {rate} Hz, but the data have {fs} Hz: resample the enhanced speech first"
        )
    if abs(len(samples) - length) > MAX_DIFFERENCE * fs:
        raise UserError(
            f"{path}: {len(samples)} samples, but the noisy speech has {length}: enhance it whole, "
            "and keep its length"
        )
    fitted = np.zeros(length, np.float32)
    fitted[: len(samples)] = samples[:length]
    return fitted
