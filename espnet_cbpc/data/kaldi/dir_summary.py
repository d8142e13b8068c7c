# SPDX-License-Identifier: Apache-2.0
"""A one-line summary of a data directory."""

from collections import Counter

from espnet_cbpc.data.kaldi.kaldi_dir import CATEGORIES, DataDir
from espnet_cbpc.data.kaldi.signals import (
    Utterance,
    channel_count,
    common_channels,
    map_utterances,
)


def summarise(data: DataDir) -> str:
    """Return the numbers of utterances and speakers, and of utterances by category."""
    counts = Counter(data.categories.values())
    categories = ", ".join(f"{counts[name]} {name}" for name in CATEGORIES if counts[name])
    speakers = len(set(data.tables["utt2spk"].values()))
    return f"{data.path}: {len(data.ids)} utterances ({categories}), {speakers} speakers"


def audio_summary(data: DataDir, nj: int = 1) -> str:
    """Read and check all audio, and return the hours of ``wav.scp``, and how many channels it has.

    Args:
        data: the directory.
        nj: number of processes.

    Raises:
        UserError: audio is faulty (see :func:`espnet_cbpc.data.kaldi.signals.map_utterances`), or
            recordings differ in their number of channels.
    """
    found = map_utterances(_seconds_and_channels, data, nj, f"check {data.path.name}")
    channels = common_channels(data, {key: count for key, (_, count) in found.items()})
    hours = sum(seconds for seconds, _ in found.values()) / 3600
    return f"{hours:.2f} hours" + (f" of {channels} channels" if channels > 1 else "")


def _seconds_and_channels(utterance: Utterance) -> tuple[float, int]:
    signals, fs = utterance.read()
    return len(signals["wav.scp"]) / fs, channel_count(signals["wav.scp"])
