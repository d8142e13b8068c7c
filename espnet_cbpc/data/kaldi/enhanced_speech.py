"""Speech of a data directory that another tool has enhanced, as a data directory of its own."""

import shutil
from pathlib import Path
from typing import Dict

import numpy as np

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_tables
from espnet_cbpc.data.kaldi.table import read_table
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

SUFFIXES = (".wav", ".flac")
MAX_DIFFERENCE = 0.1  # seconds; tools that work in frames lose or add a part of one at the end


def bring_enhanced(
    source: PathLike, data_dir: PathLike, out_dir: PathLike, fs: int, share: float = 0.0
) -> None:
    """Copy enhanced speech beside the tables of the noisy speech that it is of.

    Args:
        source: folder with ``<utterance>.wav`` (or ``.flac``), or with a table ``spk1.scp`` or
            ``wav.scp`` that names the files.
        data_dir: of the noisy speech.
        out_dir: written anew: 32-bit float WAV files of the length of the noisy ones, and tables as
            inference writes them.
        fs: sampling rate in Hz that the speech must have.
        share: of observation adding: ``(1 - share) enhanced + share noisy``.

    Raises:
        UserError: utterances without a file, or audio that does not fit the noisy speech.
    """
    data, out = DataDir.read(data_dir, require_text=False), Path(out_dir).absolute()
    files = _files(Path(source), data)
    shutil.rmtree(out, ignore_errors=True)
    (out / "wavs").mkdir(parents=True)
    wavs = {}
    for utterance, path in files.items():
        noisy, _ = read_audio(data.tables["wav.scp"][utterance])
        speech, rate = read_audio(path)
        if rate != fs:
            raise UserError(f"{path}: {rate} Hz, but the data have {fs} Hz: resample it first")
        if abs(len(speech) - len(noisy)) > MAX_DIFFERENCE * fs:
            raise UserError(
                f"{path}: {len(speech)} samples, but the noisy speech has {len(noisy)}: enhance "
                f"{data.tables['wav.scp'][utterance]} whole, and keep its length"
            )
        fitted = np.zeros_like(noisy)
        fitted[: len(speech)] = speech[: len(noisy)]
        wavs[utterance] = str(out / "wavs" / f"{utterance}.wav")
        write_audio(wavs[utterance], (1 - share) * fitted + share * noisy, fs, subtype="FLOAT")
    kept = {n: t for n, t in data.tables.items() if n == "text" or n.startswith("utt2")}
    write_tables(out, {**kept, "wav.scp": wavs, "spk1.scp": wavs})


def _files(source: Path, data: DataDir) -> Dict[str, Path]:
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
