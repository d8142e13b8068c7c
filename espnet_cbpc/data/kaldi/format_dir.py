"""Bring a data directory into the one form that training reads."""

from functools import partial
from pathlib import Path
from typing import Dict, Optional, Tuple

from espnet_cbpc.data.audio.audio_source import opened
from espnet_cbpc.data.kaldi.atomic_dir import check_apart, whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import AUDIO_TABLES, DataDir, Table, write_tables
from espnet_cbpc.data.kaldi.signals import AudioFolder, Utterance, common_gain, map_utterances
from espnet_cbpc.utils.files import PathLike


def format_data_dir(
    in_dir: PathLike,
    out_dir: PathLike,
    fs: int,
    audio_format: str = "wav",
    nj: int = 1,
    channel: Optional[int] = None,
    require_text: bool = True,
) -> None:
    """Check a data directory with its audio and write the dump directory that training reads.

    A file that is mono, of rate ``fs`` and of ``audio_format`` already is referenced where it lies,
    if every program finds the same samples in it; others are converted to 16 bits below
    ``out_dir/data``. Signals that would clip share one gain with the others of their utterance.
    Besides the tables of ``in_dir`` there are ``utt2num_samples``; ``utt2category``; ``spk1.scp``,
    completed by the utterance's own file where it is not SIMU, since ESPnet's loader wants every id
    in every file; and ``clean.scp`` with the true clean references alone (absent if there are
    none).

    Args:
        in_dir: the data directory.
        out_dir: the dump directory, which appears whole and replaces an earlier one.
        fs: sampling rate in Hz.
        audio_format: ``wav`` or ``flac``.
        nj: number of processes.
        channel: the channel to take of files with several.
        require_text: whether ``text`` must be there.

    Raises:
        UserError: the directory or its audio is faulty; all faults of a kind in one line.
    """
    data = DataDir.read(in_dir, require_text)
    check_apart(in_dir, out_dir)
    with whole_directory(out_dir) as temporary:
        folder = AudioFolder(temporary, Path(out_dir), audio_format)
        work = partial(_format_utterance, fs=fs, channel=channel, folder=folder)
        formatted = map_utterances(work, data, nj, f"format {data.path.name}")
        write_tables(temporary, _formatted_tables(data, formatted))


def _formatted_tables(
    data: DataDir, formatted: Dict[str, Tuple[Dict[str, str], int]]
) -> Dict[str, Table]:
    tables = {name: t for name, t in data.tables.items() if name not in AUDIO_TABLES}
    tables["utt2category"] = data.categories
    tables["utt2num_samples"] = {key: str(length) for key, (_, length) in formatted.items()}
    paths = {key: paths for key, (paths, _) in formatted.items()}
    return {**tables, **_audio_tables(paths, data.categories)}


def _format_utterance(
    utterance: Utterance, fs: int, channel: Optional[int], folder: AudioFolder
) -> Tuple[Dict[str, str], int]:
    """Return the paths by table name and the number of samples."""
    signals, _ = utterance.read(fs, channel)
    gain = common_gain(signals)
    paths = dict(utterance.paths)
    for name, signal in signals.items():
        if gain < 1 or not _is_formatted(paths[name], fs, folder.suffix):
            paths[name] = folder.write(name, utterance.id, gain * signal, fs)
    return paths, len(signals["wav.scp"])


def _is_formatted(path: str, fs: int, audio_format: str) -> bool:
    with opened(path) as source:
        return (source.rate, source.channels) == (fs, 1) and source.is_stored_as(audio_format)


def _audio_tables(paths: Dict[str, Dict[str, str]], categories: Table) -> Dict[str, Table]:
    wav = {key: own["wav.scp"] for key, own in paths.items()}
    spk1 = {key: own.get("spk1.scp", own["wav.scp"]) for key, own in paths.items()}
    noise1 = {key: own["noise1.scp"] for key, own in paths.items() if "noise1.scp" in own}
    clean = {key: path for key, path in spk1.items() if categories[key] != "REAL"}
    tables = {"wav.scp": wav, "spk1.scp": spk1, "noise1.scp": noise1, "clean.scp": clean}
    return {name: table for name, table in tables.items() if table}
