# SPDX-License-Identifier: Apache-2.0
"""The signals of an utterance (noisy, clean, noise), and work on those of a whole directory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from espnet_cbpc.data.audio.audio_file import SILENT, AudioError, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.utils.cli import UserError, listed


@dataclass(frozen=True)
class Utterance:
    """An utterance.

    Attributes:
        id: its id.
        paths: its audio by table name (``wav.scp`` first): a file, or one for each channel.
        reference: the table whose file is clean speech; None: there is none.
    """

    id: str
    paths: dict[str, str]
    reference: Optional[str] = None

    def read(
        self, fs: Optional[int] = None, channel: Optional[int] = None, ref_channel: int = 0
    ) -> tuple[dict[str, np.ndarray], int]:
        """Read the signals at one sampling rate.

        Args:
            fs: the rate in Hz; None takes that of the ``wav.scp`` file.
            channel: the only channel to take of each recording, from 0; None: all.
            ref_channel: the channel of the clean reference, where that has several.

        Returns:
            Table name to (samples,) float32, of several channels (samples, channels), all of one
            length; and the rate in Hz.

        Raises:
            AudioError: a file is faulty, clean speech is silent, or the lengths differ.
        """
        signals = {}
        for name, entry in self.paths.items():
            signals[name], fs = read_recording(entry, fs, channel)
        if "spk1.scp" in signals:
            signals["spk1.scp"] = one_channel(
                signals["spk1.scp"], ref_channel, self.paths["spk1.scp"]
            )
        if self.reference is not None and not signals[self.reference].any():
            raise AudioError(SILENT, self.paths[self.reference])
        lengths = {name: len(signal) for name, signal in signals.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise AudioError(
                "noisy, clean and noise files differ in length: cut or pad them alike",
                f"{self.paths['wav.scp']} (samples: {shown})",
            )
        assert fs is not None  # wav.scp is always among them
        return signals, fs


def one_channel(samples: np.ndarray, channel: int, where: str) -> np.ndarray:
    """Return a channel of (samples, channels), or the only one there is.

    Raises:
        AudioError: there is no such channel.
    """
    if samples.ndim == 1:
        return samples
    if not 0 <= channel < samples.shape[1]:
        problem = f"recording has no reference channel {channel} but {samples.shape[1]} from 0 on"
        raise AudioError(f"{problem}: correct --ref_channel", where)
    return samples[:, channel]


def channel_count(samples: np.ndarray) -> int:
    """Return the channels of (samples,) or (samples, channels)."""
    return 1 if samples.ndim == 1 else samples.shape[1]


def common_channels(data: DataDir, counts: Mapping[str, int]) -> int:
    """Return the one number of channels of all recordings of a directory.

    Raises:
        UserError: they differ, which no batch can.
    """
    if not counts:
        return 1
    most = Counter(counts.values()).most_common(1)[0][0]
    others = [f"{key} {count}" for key, count in counts.items() if count != most]
    if others:
        raise UserError(
            f"{data.path}/wav.scp: {len(others)} of {len(counts)} recordings have another number "
            f"of channels than {most} ({listed(others)}): give all of them the same microphones, "
            "clean speech its file once for each, or take one (format_data_dir --channel)"
        )
    return most


def utterances(data: DataDir) -> Iterator[Utterance]:
    """Go through a directory; a clean reference counts for SIMU utterances alone."""
    for key in data.ids:
        names = ["wav.scp", "noise1.scp"]
        if data.categories[key] == "SIMU":
            names.insert(1, "spk1.scp")
        tables = data.tables
        paths = {n: tables[n][key] for n in names if key in tables.get(n, {})}
        reference = {"SIMU": "spk1.scp", "CLEAN": "wav.scp"}.get(data.categories[key])
        yield Utterance(key, paths, reference if reference in paths else None)


def common_gain(signals: dict[str, np.ndarray]) -> float:
    """Return the one gain, at most 1, that brings all signals of an utterance into [-1, 1]."""
    return 1 / max(1.0, *(float(np.abs(signal).max()) for signal in signals.values()))


@dataclass(frozen=True)
class AudioFolder:
    """Where the audio of a data directory in the making goes.

    Attributes:
        temporary: the directory being filled.
        final: the name it will have, which the tables use.
        suffix: audio format, ``wav`` or ``flac``.
    """

    temporary: Path
    final: Path
    suffix: str

    def write(self, table: str, key: str, samples: np.ndarray, fs: int) -> str:
        """Write ``data/<table's stem>/<key>.<suffix>``, of several channels a file for each.

        Returns:
            The entry of the table, with final paths.
        """
        if samples.ndim == 2:
            written: list[str] = []
            for number, one in enumerate(samples.T):
                alike = (i for i in range(number) if np.array_equal(samples[:, i], one))
                same = next(alike, None)  # as of a channel that replaces another
                if same is None:
                    path = self.write(table, f"{key}.CH{number + 1}", one, fs)
                else:
                    path = written[same]
                written.append(path)
            return " ".join(written)
        relative = Path("data", Path(table).stem, f"{key}.{self.suffix}")
        write_audio(self.temporary / relative, samples, fs)
        return str(self.final / relative)


def map_utterances(
    work: Callable[[Utterance], Any], data: DataDir, nj: int, desc: str
) -> dict[str, Any]:
    """Apply ``work`` to every utterance in ``nj`` processes.

    Args:
        work: takes an :class:`Utterance`; picklable, as is what it returns.
        data: the directory.
        nj: number of processes; 1 stays in this one.
        desc: name of the step, for the progress line.

    Returns:
        What ``work`` returned, by utterance id.

    Raises:
        UserError: ``work`` raised :class:`AudioError` for some utterances; one line for each kind
            of fault says how many and names the first. Or a process was killed.
    """
    items = ((utterance.id, utterance) for utterance in utterances(data))
    return map_audio(work, items, len(data.ids), nj, desc, data.path)
