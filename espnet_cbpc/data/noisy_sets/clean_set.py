# SPDX-License-Identifier: Apache-2.0
"""Data directories of clean speech, referring to the original recordings."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir
from espnet_cbpc.data.noisy_sets.speech_folder import Recording


def write_clean_set(
    directory: Path, recordings: Sequence[Recording], corpora: Path, genders: Mapping[str, str]
) -> None:
    """Write a data directory of category CLEAN, each recording its own reference.

    It has no ``text`` where no recording has any.

    Args:
        directory: to write.
        recordings: the speech.
        corpora: folder that the paths of recordings are below.
        genders: ``m`` or ``f`` by speaker, as far as known, for ``spk2gender``.
    """
    paths = {r.id: str((corpora / r.file).resolve()) for r in recordings}
    tables = {
        "wav.scp": paths,
        "spk1.scp": paths,
        "text": {r.id: r.text for r in recordings},
        "utt2spk": {r.id: r.speaker for r in recordings},
        "utt2category": dict.fromkeys(paths, "CLEAN"),
        "utt2snr": dict.fromkeys(paths, "clean"),
        "utt2noise": dict.fromkeys(paths, "none"),
    }
    if not any(tables["text"].values()):
        del tables["text"]
    known = {r.speaker: genders[r.speaker] for r in recordings if r.speaker in genders}
    if known:
        tables["spk2gender"] = known
    write_data_dir(directory, tables)
    logging.info("%s: %d utterances", directory, len(recordings))
