#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, rooms, audio and manifests of the digits before an array."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

import fsdd_corpus
from array_protocol import (
    CONDITIONS,
    NOISES,
    NUM_NOISES,
    ROOMS,
    SNR_RANGE,
    TRACKS,
    plans,
)
from fsdd_corpus import FSDD
from fsdd_protocol import DEV, KNOWN_SPEAKERS, TEST, TRAIN, Draw

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_table
from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixing_config import parse_mixing_config
from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.array_set import ArraySet, write_array_set
from espnet_cbpc.data.noisy_sets.corpus import lengths, obtain
from espnet_cbpc.data.noisy_sets.noise_parts import NoisePart, write_noise_parts
from espnet_cbpc.data.noisy_sets.nonspeech import NONSPEECH
from espnet_cbpc.data.noisy_sets.room_bank import TABLET, write_room_bank
from espnet_cbpc.data.noisy_sets.write_sets import write_noisy_sets
from espnet_cbpc.utils.cli import UserError, check_at_least, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--fsdd", default="", help="folder of FSDD; empty: download")
    parser.add_argument("--nonspeech", default="", help="folder of the noises; empty: download")
    parser.add_argument("--fsdd_url", default=FSDD.url, help="zip of FSDD")
    parser.add_argument("--nonspeech_url", default=NONSPEECH.url, help="zip of the noises")
    parser.add_argument("--downloads", default="downloads", help="folder for downloads")
    parser.add_argument("--track", choices=list(TRACKS), default="6ch", help="microphones")
    parser.add_argument("--data", default="data_6ch", help="folder to write to")
    parser.add_argument(
        "--train_minutes", type=float, default=60, help="minutes of training speech"
    )
    parser.add_argument("--num_dev", type=int, default=100, help="utterances in dev")
    parser.add_argument(
        "--num_test", type=int, default=100, help="distinct utterances in a test set"
    )
    parser.add_argument(
        "--test_snrs",
        type=float,
        nargs="+",
        default=[-5, 0, 5, 10],
        help="SNRs of the test sets in dB",
    )
    parser.add_argument("--num_seen_rooms", type=int, default=40, help="rooms for training")
    parser.add_argument("--num_unseen_rooms", type=int, default=20, help="rooms for test_unseen")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--fs", type=int, default=8000, help="sampling rate to write, in Hz")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, a corpus that is incomplete or cannot be downloaded, or
            pyroomacoustics is not installed.
    """
    args = get_parser().parse_args(cmd)
    _check(args)
    data = Path(args.data)
    fsdd = obtain(FSDD, args.fsdd, args.fsdd_url, args.downloads)
    noise = obtain(NONSPEECH, args.nonspeech, args.nonspeech_url, args.downloads)
    recordings = lengths(FSDD, fsdd, fsdd_corpus.NAMES, fsdd_corpus.RATE)
    noises = lengths(NONSPEECH, noise, nonspeech.NAMES, nonspeech.RATE)
    # 1. What is heard: clean speech, and noises
    draw = Draw(recordings, noises, args.fs, args.seed)
    dry = {
        "test_dry": draw.utterances("test", KNOWN_SPEAKERS, TEST, args.num_test),
        "dev_dry": draw.utterances("dev", KNOWN_SPEAKERS, DEV, args.num_dev),
        "train": draw.utterances_of_minutes("train", KNOWN_SPEAKERS, TRAIN, args.train_minutes),
    }
    sets = {name: sorted(found, key=lambda u: u.id) for name, found in dry.items()}
    write_noisy_sets(sets, data, fsdd, noise, args.nj)
    _write_noises(data, noise, noises, args)
    # 2. Where it is heard
    numbers = {"seen": args.num_seen_rooms, "unseen": args.num_unseen_rooms}
    for number, (name, ranges) in enumerate(ROOMS.items()):
        folder = data / "rooms" / name
        seed = 2 * args.seed + number
        write_room_bank(folder, numbers[name], ranges, TABLET, args.fs, seed, args.nj)
    for name in CONDITIONS:
        _write_places(data, name)
    # 3. What the microphones hear
    for name, plan in plans(tuple(args.test_snrs)).items():
        clean = DataDir.read(data / plan.clean)
        mixer = ArrayMixer(parse_mixing_config(_mixing(data, plan.condition, args.fs)))
        made = ArraySet(name, clean, mixer, plan.snrs, args.seed)
        write_array_set(made, data, TRACKS[args.track], args.nj)


def _check(args: argparse.Namespace) -> None:
    least = {"num_dev": 1, "num_test": 1, "num_seen_rooms": 1, "num_unseen_rooms": 1}
    check_at_least(args, **least, seed=0, fs=8000, nj=1)
    if not args.train_minutes > 0:
        raise UserError(f"--train_minutes {args.train_minutes}: must be greater than 0")


def _write_noises(
    data: Path, source: Path, noises: Mapping[str, int], args: argparse.Namespace
) -> None:
    """Write the parts of the noises for each condition, and ``noise_<name>.scp``."""
    for name, parts in NOISES.items():
        folder = data / "audio" / f"noise_{name}"
        copies = [
            NoisePart(source / file, file, nonspeech.segment(noises[file], part))
            for file, part in parts
        ]
        write_noise_parts(folder, copies, args.fs, args.nj)
        files = {Path(copy.name).stem: str(folder / copy.name) for copy in copies}
        write_table(data / f"noise_{name}.scp", dict(sorted(files.items())))


def _write_places(data: Path, name: str) -> None:
    """Write ``rir_<condition>.scp`` and ``noise_rir_<condition>.scp``."""
    condition = CONDITIONS[name]
    for table in ("rir", "noise_rir"):
        responses = read_table(data / "rooms" / condition.rooms / f"{table}.scp")
        kept = {k: v for k, v in responses.items() if k.partition("-")[2] in condition.places}
        write_table(data / f"{table}_{name}.scp", kept)


def _mixing(data: Path, name: str, fs: int) -> dict:
    """Return the options by which the mixtures of a condition are drawn."""
    return {
        "fs": fs,
        "noise_scp": str(data / f"noise_{CONDITIONS[name].noises}.scp"),
        "rir_scp": str(data / f"rir_{name}.scp"),
        "noise_rir_scp": str(data / f"noise_rir_{name}.scp"),
        "channels": list(TRACKS["6ch"]),
        "ref_channel": 0,
        "snr_db": list(SNR_RANGE),
        "num_noises": list(NUM_NOISES),
    }


if __name__ == "__main__":
    run(main)
