"""The signals of an utterance (noisy, clean, noise), and work on those of a whole directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import numpy as np

from espnet_cbpc.data.audio.audio_file import SILENT, AudioError, read_audio, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir


@dataclass(frozen=True)
class Utterance:
    """An utterance.

    Attributes:
        id: its id.
        paths: its audio files by table name (``wav.scp`` first).
        reference: the table whose file is clean speech; None: there is none.
    """

    id: str
    paths: Dict[str, str]
    reference: Optional[str] = None

    def read(
        self, fs: Optional[int] = None, channel: Optional[int] = None
    ) -> Tuple[Dict[str, np.ndarray], int]:
        """Read the signals at one sampling rate.

        Args:
            fs: the rate in Hz; None takes that of the ``wav.scp`` file.
            channel: see :func:`espnet_cbpc.data.audio.audio_file.read_audio`.

        Returns:
            Table name to (samples,) float32, all of one length, and the rate in Hz.

        Raises:
            AudioError: a file is faulty, clean speech is silent, or the lengths differ.
        """
        signals = {}
        for name, path in self.paths.items():
            signals[name], fs = read_audio(path, fs, channel)
        if self.reference is not None and not signals[self.reference].any():
            raise AudioError(SILENT, self.paths[self.reference])
        lengths = {name: len(signal) for name, signal in signals.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise AudioError(
                "noisy, clean and noise files differ in length: cut or pad them alike",
                f"{self.paths['wav.scp']} (samples: {shown})",
            )
        return signals, fs


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


def common_gain(signals: Dict[str, np.ndarray]) -> float:
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
        """Write ``data/<table's stem>/<key>.<suffix>`` and return its final path."""
        relative = Path("data", Path(table).stem, f"{key}.{self.suffix}")
        write_audio(self.temporary / relative, samples, fs)
        return str(self.final / relative)


def map_utterances(
    work: Callable[[Utterance], Any], data: DataDir, nj: int, desc: str
) -> Dict[str, Any]:
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
