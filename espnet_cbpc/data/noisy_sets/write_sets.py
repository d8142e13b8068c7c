# SPDX-License-Identifier: Apache-2.0
"""Noisy sets on disk: manifests, audio and data directories of mixtures."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir
from espnet_cbpc.data.kaldi.table import Table
from espnet_cbpc.data.noisy_sets.noisy_mixture import (
    Mixture,
    audio_files,
    noise_name,
    write_manifest,
    write_mixtures,
)
from espnet_cbpc.utils.files import PathLike


def write_noisy_sets(
    sets: Mapping[str, list[Mixture]],
    data: PathLike,
    speech_dir: PathLike,
    noise_dir: PathLike,
    nj: int = 1,
) -> None:
    """Write ``manifests/<set>.jsonl``, ``audio/<set>`` and the data directory ``<set>`` of each.

    A data directory is written last and atomically; earlier ones of these names are replaced.

    Args:
        sets: the mixtures of each set.
        data: folder to write to.
        speech_dir: where the recordings are.
        noise_dir: where the noises are.
        nj: processes.

    Raises:
        UserError: a recording or noise that cannot be used.
    """
    data = Path(data)
    for name, mixtures in sets.items():
        (data / name / "wav.scp").unlink(missing_ok=True)  # not whole until written again
        write_manifest(data / "manifests" / f"{name}.jsonl", mixtures)
    for name, mixtures in sets.items():
        audio = data / "audio" / name
        write_mixtures(mixtures, audio, speech_dir, noise_dir, nj)
        write_data_dir(data / name, mixture_tables(mixtures, audio))
        logging.info("%s: %d utterances", data / name, len(mixtures))


def mixture_tables(mixtures: Sequence[Mixture], audio: Path) -> dict[str, Table]:
    """Return the files of a data directory by name, each by utterance.

    Beside Kaldi's files: ``utt2snr``, in dB or ``clean``, and ``utt2noise``, such as ``n83``
    (:func:`.noisy_mixture.noise_name`), or ``none``. No ``text`` where no mixture has any.
    """
    files = {mixture.id: audio_files(mixture, audio) for mixture in mixtures}
    noisy = [mixture for mixture in mixtures if mixture.noise]
    result = {
        "wav.scp": {key: str(f.get("noisy", f["clean"])) for key, f in files.items()},
        "spk1.scp": {key: str(f["clean"]) for key, f in files.items()},
        "text": {mixture.id: mixture.text for mixture in mixtures},
        "utt2spk": {mixture.id: mixture.speaker for mixture in mixtures},
        "utt2category": {mixture.id: "CLEAN" for mixture in mixtures},
        "utt2snr": {mixture.id: "clean" for mixture in mixtures},
        "utt2noise": {mixture.id: "none" for mixture in mixtures},
    }
    if not any(result["text"].values()):
        del result["text"]
    if noisy:
        result["noise1.scp"] = {mixture.id: str(files[mixture.id]["noise"]) for mixture in noisy}
    result["utt2noise"].update({m.id: noise_name(m.noise) for m in mixtures if m.noise})
    for mixture in noisy:
        result["utt2category"][mixture.id] = "SIMU"
        result["utt2snr"][mixture.id] = f"{mixture.snr:g}"
    return result
