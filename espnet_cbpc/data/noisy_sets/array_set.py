# SPDX-License-Identifier: Apache-2.0
"""Sets of array mixtures on disk, drawn as dynamic mixing draws them, with their manifests.

The audio of each microphone is a file of its own.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np

from espnet_cbpc.data.audio.audio_file import AudioError, read_audio, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_data_dir
from espnet_cbpc.data.kaldi.table import Table
from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixture import ArrayMixture, render
from espnet_cbpc.data.mixing.dynamic_mixer import TRIES, Mixed
from espnet_cbpc.data.mixing.snr import SilentNoiseError
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, atomic_write

CLEAN = "clean"  # in utt2snr, of speech without noise


@dataclass(frozen=True)
class ArrayUtterance:
    """One mixture of a set: its id, the file of the clean speech, and what is made of it."""

    id: str
    clean: str
    mixture: ArrayMixture

    @property
    def line(self) -> str:
        """Return the utterance as one line of a manifest."""
        return json.dumps({"id": self.id, "clean": self.clean, "mixture": self.mixture.line})

    @classmethod
    def parse(cls, line: str) -> "ArrayUtterance":
        """Return the utterance of a line of a manifest.

        Raises:
            UserError: the line is none.
        """
        try:
            values = json.loads(line)
            return cls(values["id"], values["clean"], ArrayMixture.parse(values["mixture"]))
        except (ValueError, TypeError, KeyError) as e:
            raise UserError(f"not an utterance of an array ({e}): prepare the data again") from e

    def render(self) -> Mixed:
        """Make its signals; see :func:`.array_mixture.render`."""
        clean, _ = read_audio(self.clean, self.mixture.fs)
        return render(self.mixture, clean)


@dataclass(frozen=True)
class ArraySet:
    """What a set is made of.

    Attributes:
        name: of the set.
        clean: data directory of clean speech of one channel.
        mixer: draws the mixtures, each from a generator of its own.
        snrs: ratios in dB, at each of which an utterance is mixed with the same noise in the same
            room, None for without noise; none: one drawn for each utterance.
        seed: random seed.
    """

    name: str
    clean: DataDir
    mixer: ArrayMixer
    snrs: tuple[Optional[float], ...]
    seed: int

    def draw(self, key: str) -> list[ArrayUtterance]:
        """Draw the mixtures of a clean utterance.

        Raises:
            UserError: see :meth:`.ArrayMixer.__call__`.
        """
        path = self.clean.tables["wav.scp"][key]
        clean, _ = read_audio(path, self.mixer.config.fs)
        rng = np.random.default_rng([self.seed, *key.encode()])
        for _ in range(TRIES):
            mixture = self.mixer.draw(len(clean), rng)
            assert mixture is not None  # nothing is left as it is: given_prob is 0
            try:
                render(mixture, clean)
            except SilentNoiseError:
                continue
            if not self.snrs:
                return [ArrayUtterance(key, path, mixture)]
            return [
                ArrayUtterance(f"{key}-{_at(snr)}", path, _with_snr(mixture, snr))
                for snr in self.snrs
            ]
        raise AudioError("no noise was found that is audible where there is speech", path)


def _at(snr: Optional[float]) -> str:
    return CLEAN if snr is None else f"snr{snr:02g}"


def _with_snr(mixture: ArrayMixture, snr: Optional[float]) -> ArrayMixture:
    if snr is None:
        return replace(mixture, noises=(), snr_db=None)
    return replace(mixture, snr_db=float(snr))


def write_array_set(made: ArraySet, data: PathLike, channels: Sequence[int], nj: int = 1) -> None:
    """Write ``manifests/<set>.jsonl``, ``audio/<set>`` and the data directory ``<set>``.

    Args:
        made: the set.
        data: folder to write to.
        channels: those of the mixtures that are written, as numbers of the array, in this order;
            the reference channel should be the first or at its place among them.
        nj: processes.

    Raises:
        UserError: a recording, room or noise that cannot be used.
    """
    data = Path(data)
    (data / made.name / "wav.scp").unlink(missing_ok=True)  # not whole until written again
    audio = data / "audio" / made.name
    with whole_directory(audio, is_data_directory=False) as temporary:
        work = partial(_write, made=made, channels=channels, folder=temporary)
        keys = made.clean.ids
        drawn = map_audio(
            work, ((key, key) for key in keys), len(keys), nj, f"mix {made.name}", audio
        )
    utterances = [utterance for key in keys for utterance in drawn[key]]
    with atomic_write(data / "manifests" / f"{made.name}.jsonl") as f:
        f.writelines(utterance.line + "\n" for utterance in utterances)
    of = {u.id: key for key in keys for u in drawn[key]}
    write_data_dir(data / made.name, _tables(made, utterances, of, audio, channels))
    logging.info("%s: %d utterances of %d channel(s)", data / made.name, len(of), len(channels))


def _write(key: str, made: ArraySet, channels: Sequence[int], folder: Path) -> list[ArrayUtterance]:
    """Write the audio of the mixtures of an utterance, and return them."""
    utterances = made.draw(key)
    for utterance in utterances:
        mixed = utterance.render()
        signals = dict(zip(utterance.mixture.channels, np.atleast_2d(mixed.noisy.T)))
        for channel in channels:
            path = folder / f"{utterance.id}.CH{channel + 1}.wav"
            write_audio(path, signals[channel], utterance.mixture.fs)
        write_audio(folder / f"{utterance.id}.ref.wav", mixed.reference, utterance.mixture.fs)
    return utterances


def _tables(
    made: ArraySet,
    utterances: Sequence[ArrayUtterance],
    of: Mapping[str, str],
    audio: Path,
    channels: Sequence[int],
) -> dict[str, Table]:
    """Return the files of a data directory by name, each by utterance.

    Beside Kaldi's: ``utt2snr``, in dB or ``clean``; ``utt2noise``, the noises joined by +; and
    ``utt2room``.
    """
    ids = sorted(of)
    by_id = {utterance.id: utterance.mixture for utterance in utterances}
    noises = {i: [Path(noise.recording).stem for noise in by_id[i].noises] for i in ids}
    tables = {
        "wav.scp": {i: " ".join(str(audio / f"{i}.CH{c + 1}.wav") for c in channels) for i in ids},
        "spk1.scp": {i: str(audio / f"{i}.ref.wav") for i in ids},
        "utt2category": dict.fromkeys(ids, "SIMU"),
        "utt2snr": {i: f"{by_id[i].snr_db:g}" if by_id[i].noises else CLEAN for i in ids},
        "utt2noise": {i: "+".join(noises[i]) or "none" for i in ids},
        "utt2room": {i: Path(rir).stem if (rir := by_id[i].rir) else "none" for i in ids},
    }
    for name in ("utt2spk", "text"):
        table = made.clean.tables.get(name)
        if table:
            tables[name] = {i: table[of[i]] for i in ids}
    return tables
