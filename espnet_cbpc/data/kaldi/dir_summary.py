"""What is in a data directory, in one line."""

from collections import Counter

from espnet_cbpc.data.kaldi.kaldi_dir import CATEGORIES, DataDir
from espnet_cbpc.data.kaldi.signals import Utterance, map_utterances


def summarise(data: DataDir) -> str:
    """Return the numbers of utterances and speakers, and of utterances by category."""
    counts = Counter(data.categories.values())
    categories = ", ".join(f"{counts[name]} {name}" for name in CATEGORIES if counts[name])
    speakers = len(set(data.tables["utt2spk"].values()))
    return f"{data.path}: {len(data.ids)} utterances ({categories}), {speakers} speakers"


def total_hours(data: DataDir, nj: int = 1) -> float:
    """Read and check all audio, and return the hours of ``wav.scp``.

    Args:
        data: the directory.
        nj: number of processes.

    Raises:
        UserError: audio is faulty (see :func:`espnet_cbpc.data.kaldi.signals.map_utterances`).
    """
    return sum(map_utterances(_seconds, data, nj, f"check {data.path.name}").values()) / 3600


def _seconds(utterance: Utterance) -> float:
    signals, fs = utterance.read()
    return len(signals["wav.scp"]) / fs
