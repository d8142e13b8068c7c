#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories of VoiceBank + DEMAND, referring to the original recordings."""

import argparse
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Optional

from vctk_corpus import URL, Pair, locate, read_pairs

from espnet_cbpc.data.audio.audio_file import AudioError, read_header
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.kaldi_dir import Table, write_data_dir
from espnet_cbpc.utils.cli import UserError, listed, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--vctk_noisy", default="", help="folder of the corpus; empty: download")
    parser.add_argument("--url", default=URL, help="URL of the folder of archives")
    parser.add_argument("--downloads", default="downloads", help="folder for downloads")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument(
        "--dev_speakers",
        nargs="+",
        default=["p226", "p287"],
        help="speakers of the training set to use for dev",
    )
    parser.add_argument(
        "--allow_partial", choices=["true", "false"], default="false",
        help="leave out incomplete utterances",
    )  # fmt: skip
    parser.add_argument("--fs", type=int, default=16000, help="least sampling rate accepted, in Hz")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an unknown speaker, a corpus that is incomplete or cannot be downloaded.
    """
    args = get_parser().parse_args(cmd)
    folders = locate(args.vctk_noisy, args.url, Path(args.downloads))
    allow_partial = args.allow_partial == "true"
    pairs = {name: read_pairs(name, folders, allow_partial) for name in ("train", "test")}
    unknown = sorted(set(args.dev_speakers) - {pair.speaker for pair in pairs["train"]})
    if unknown:
        raise UserError(f"--dev_speakers: {listed(unknown)} not in the training set: choose others")
    train = [pair for pair in pairs["train"] if pair.speaker not in args.dev_speakers]
    if not train:
        raise UserError("--dev_speakers: no speaker is left to train on: choose fewer")
    for name, found in pairs.items():
        items = ((pair.id, pair) for pair in found)
        check = partial(_check, fs=args.fs)
        map_audio(check, items, len(found), args.nj, f"check {name}", folders["logfiles"].parent)
    dev = [pair for pair in pairs["train"] if pair.speaker in args.dev_speakers]
    data = Path(args.data)
    for name, found in {"train": train, "dev": dev, "test": pairs["test"]}.items():
        write_data_dir(data / name, noisy_tables(found))
        logging.info("%s: %d utterances", data / name, len(found))
    write_data_dir(data / "test_clean", clean_tables(pairs["test"]))


def _check(pair: Pair, fs: int) -> None:
    (clean, rate), (noisy, noisy_rate) = read_header(pair.clean), read_header(pair.noisy)
    if (clean, rate) != (noisy, noisy_rate):
        raise AudioError(
            "clean and noisy recording differ in length or sampling rate: restore them",
            f"{pair.noisy} ({noisy} samples at {noisy_rate} Hz, clean {clean} at {rate} Hz)",
        )
    if rate < fs:
        where = f"{pair.clean} ({rate} Hz)"
        raise AudioError(f"sampling rate below {fs} Hz: restore the file", where)


def noisy_tables(pairs: list[Pair]) -> dict[str, Table]:
    """Return the files of a data directory by name; ``utt2snr`` is in dB."""
    return {
        **_tables(pairs),
        "wav.scp": {pair.id: str(pair.noisy.resolve()) for pair in pairs},
        "utt2category": {pair.id: "SIMU" for pair in pairs},
        "utt2snr": {pair.id: f"{pair.snr:g}" for pair in pairs},
        "utt2noise": {pair.id: pair.noise for pair in pairs},
    }


def clean_tables(pairs: list[Pair]) -> dict[str, Table]:
    """Return the same of the clean recordings."""
    return {
        **_tables(pairs),
        "wav.scp": {pair.id: str(pair.clean.resolve()) for pair in pairs},
        "utt2category": {pair.id: "CLEAN" for pair in pairs},
        "utt2snr": {pair.id: "clean" for pair in pairs},
        "utt2noise": {pair.id: "none" for pair in pairs},
    }


def _tables(pairs: list[Pair]) -> dict[str, Table]:
    return {
        "spk1.scp": {pair.id: str(pair.clean.resolve()) for pair in pairs},
        "text": {pair.id: pair.text for pair in pairs},
        "utt2spk": {pair.id: pair.speaker for pair in pairs},
    }


if __name__ == "__main__":
    run(main)
