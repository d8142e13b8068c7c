#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, audio and manifests of the noisy sentences."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from arctic_corpora import KATHLEEN, LJSPEECH, ORDERS, read_kathleen, read_ljspeech, read_orders
from arctic_protocol import NUM_DEV_SENTENCES, Draw, Sets, Speech
from speech_copies import write_speech

from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.clean_set import write_clean_set
from espnet_cbpc.data.noisy_sets.corpus import lengths, obtain
from espnet_cbpc.data.noisy_sets.noise_parts import NoisePart, write_noise_parts
from espnet_cbpc.data.noisy_sets.nonspeech import HEARD, NONSPEECH
from espnet_cbpc.data.noisy_sets.write_sets import write_noisy_sets
from espnet_cbpc.utils.cli import UserError, check_at_least, run

CORPORA = (KATHLEEN, ORDERS, LJSPEECH, NONSPEECH)
LJSPEECH_SENTENCES = Path(__file__).with_name("ljspeech_sentences.txt")
NUM_TEST_SENTENCES = 539 - NUM_DEV_SENTENCES
NUM_NEWSPK_SENTENCES = 71


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for corpus in CORPORA:
        variable = corpus.variable
        url = os.environ.get(f"{variable}_URL") or corpus.url
        name = variable.lower()
        parser.add_argument(f"--{name}", default="", help=f"folder of {variable}; empty: download")
        parser.add_argument(f"--{name}_url", default=url, help=f"archive of {variable}")
    parser.add_argument("--downloads", default="downloads", help="folder for downloads")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument("--num_dev", type=int, default=60, help="sentences in dev")
    parser.add_argument(
        "--num_test", type=int, default=150, help="sentences of the known speaker in a test set"
    )
    parser.add_argument(
        "--num_newspk",
        type=int,
        default=NUM_NEWSPK_SENTENCES,
        help="sentences of the unseen speaker in a test set",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--fs", type=int, default=16000, help="sampling rate to write, in Hz")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, a corpus that is incomplete or cannot be downloaded.
    """
    args = get_parser().parse_args(cmd)
    _check(args)
    data = Path(args.data)
    # 1. what there is
    folders = {
        corpus.variable: obtain(
            corpus,
            getattr(args, corpus.variable.lower()),
            getattr(args, f"{corpus.variable.lower()}_url"),
            args.downloads,
        )
        for corpus in CORPORA
    }
    kathleen = read_kathleen(folders["KATHLEEN"])
    orders = read_orders(folders["ORDERS"])
    new = read_ljspeech(folders["LJSPEECH"], LJSPEECH_SENTENCES)
    sources = {source.recording.file: source for source in (*kathleen.values(), *orders, *new)}
    noise = folders["NONSPEECH"]
    noises = lengths(NONSPEECH, noise, nonspeech.NAMES, nonspeech.RATE)
    # 2. what is made of it
    speech = Speech(
        a=[source.recording for number, source in kathleen.items() if number[0] == "a"],
        b=[source.recording for number, source in kathleen.items() if number[0] == "b"],
        orders=[source.recording for source in orders],
        new=[source.recording for source in new],
    )
    sets = Draw(noises, args.fs, args.seed).sets(
        speech, args.num_dev, args.num_test, args.num_newspk
    )
    # 3. write it
    audio = data / "audio" / "speech"
    used = [source for file, source in sources.items() if file in _files(sets)]
    write_speech(audio, used, args.fs, args.nj)
    write_clean_set(data / "train", sets.train, audio, genders={})
    _write_noise_list(data, noise, noises, args.fs, args.nj)
    write_noisy_sets(sets.mixed, data, audio, noise, args.nj)


def _check(args: argparse.Namespace) -> None:
    check_at_least(args, seed=0, fs=8000, nj=1)
    most = {
        "num_dev": NUM_DEV_SENTENCES,
        "num_test": NUM_TEST_SENTENCES,
        "num_newspk": NUM_NEWSPK_SENTENCES,
    }
    for name, count in most.items():
        if not 1 <= getattr(args, name) <= count:
            raise UserError(f"--{name} {getattr(args, name)}: must be from 1 to {count}")


def _files(sets: Sets) -> set:
    """Return the files of the recordings that are used."""
    mixtures = (mixture for found in sets.mixed.values() for mixture in found)
    return {r.file for r in sets.train}.union(*(mixture.recordings for mixture in mixtures))


def _write_noise_list(data: Path, noise: Path, noises: dict[str, int], fs: int, nj: int) -> None:
    """Write ``noise_train.scp``: the parts of noise used in training."""
    audio = data / "audio" / "noise_train"
    parts = [
        NoisePart(noise / name, name, nonspeech.segment(noises[name], part)) for name, part in HEARD
    ]
    write_noise_parts(audio, parts, fs, nj)
    write_table(data / "noise_train.scp", {Path(p.name).stem: str(audio / p.name) for p in parts})


if __name__ == "__main__":
    run(main)
