#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, audio and manifests of the noisy connected digits."""

import argparse
from collections.abc import Sequence
from typing import Optional

import fsdd_corpus
from fsdd_corpus import FSDD
from fsdd_protocol import Draw, Sizes

from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.corpus import lengths, obtain
from espnet_cbpc.data.noisy_sets.nonspeech import NONSPEECH
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
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument(
        "--train_minutes", type=float, default=140, help="minutes of training speech"
    )
    parser.add_argument(
        "--clean_fraction", type=float, default=0.08, help="share of train left clean"
    )
    parser.add_argument("--num_dev", type=int, default=200, help="utterances in dev")
    parser.add_argument(
        "--num_test", type=int, default=200, help="distinct utterances in a test set"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--fs", type=int, default=8000, help="sampling rate to write, in Hz")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, a corpus that is incomplete or cannot be downloaded.
    """
    args = get_parser().parse_args(cmd)
    _check(args)
    fsdd = obtain(FSDD, args.fsdd, args.fsdd_url, args.downloads)
    noise = obtain(NONSPEECH, args.nonspeech, args.nonspeech_url, args.downloads)
    recordings = lengths(FSDD, fsdd, fsdd_corpus.NAMES, fsdd_corpus.RATE)
    noises = lengths(NONSPEECH, noise, nonspeech.NAMES, nonspeech.RATE)
    draw = Draw(recordings, noises, args.fs, args.seed)
    sets = draw.sets(Sizes(args.train_minutes, args.clean_fraction, args.num_dev, args.num_test))
    write_noisy_sets(sets, args.data, fsdd, noise, args.nj)


def _check(args: argparse.Namespace) -> None:
    check_at_least(args, num_dev=1, num_test=1, seed=0, fs=8000, nj=1)
    if not args.train_minutes > 0:
        raise UserError(f"--train_minutes {args.train_minutes}: must be greater than 0")
    if not 0 <= args.clean_fraction <= 1:
        raise UserError(f"--clean_fraction {args.clean_fraction}: must be from 0 to 1")


if __name__ == "__main__":
    run(main)
