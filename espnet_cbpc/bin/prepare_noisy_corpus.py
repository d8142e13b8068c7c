# SPDX-License-Identifier: Apache-2.0
"""Make noisy train, dev and test sets from a folder of clean speech and a folder of noise.

Writes data directories DATA/{train,dev,test_clean,test_seen,test_unseen}, their audio, and
DATA/manifests/<set>.jsonl, from which each mixture can be recreated.
"""

import argparse
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.noisy_sets.noise_folder import read_noise_folder
from espnet_cbpc.data.noisy_sets.noisy_corpus import NoisyCorpus, Protocol
from espnet_cbpc.data.noisy_sets.speech_folder import check_speech, read_speech_folder
from espnet_cbpc.data.noisy_sets.write_sets import write_noisy_sets
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--speech", required=True, help="folder of clean speech (SPEECH in db.sh)")
    add("--noise", required=True, help="folder of noise (NOISE in db.sh)")
    add("--data", default="data", help="folder to write to")
    add("--text", help="table of transcripts; none: <speech>/text, .txt files or *.trans.txt")
    add("--utt2spk", help="table of speakers; none: <speech>/utt2spk, or one speaker per folder")
    add(
        "--dev_speakers", nargs="+", default=[], metavar="NAME", help="speakers of dev; none: drawn"
    )
    add(
        "--test_speakers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="speakers of the test sets; none: drawn",
    )
    add("--dev_fraction", type=float, default=0.1, help="share of speakers drawn for dev")
    add(
        "--test_fraction", type=float, default=0.1, help="share of speakers drawn for the test sets"
    )
    add("--unseen_noise", nargs="+", default=[], metavar="PATH",
        help="folders or files below <noise> for test_unseen alone; none: drawn")  # fmt: skip
    add("--unseen_fraction", type=float, default=0.3, help="share of noise files drawn as unseen")
    add("--snr_range", type=float, nargs=2, default=[-5, 20], metavar=("LOW", "HIGH"),
        help="SNR range of train and dev in dB")  # fmt: skip
    add("--test_snrs", type=float, nargs="+", default=[-5, 0, 5, 10, 15], metavar="SNR",
        help="SNRs of the test sets in dB")  # fmt: skip
    add("--clean_fraction", type=float, default=0.08, help="share of train left clean")
    add("--num_dev", type=int, default=500, help="most utterances in dev")
    add("--num_test", type=int, default=500, help="most distinct utterances in a test set")
    add(
        "--fs", type=sampling_rate, default="16k", help="sampling rate to write, such as 8000 or 8k"
    )
    add("--seed", type=int, default=0, help="random seed")
    add("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, or speech or noise that cannot be used.
    """
    args = get_parser().parse_args(cmd)
    _check(args)
    recordings = read_speech_folder(args.speech, args.text, args.utt2spk)
    check_speech(args.speech, recordings, args.nj)
    noises = read_noise_folder(args.noise, args.nj)
    names = Protocol.__dataclass_fields__
    protocol = Protocol(**{name: getattr(args, name) for name in names})
    sets = NoisyCorpus(recordings, noises, protocol, args.seed).sets()
    write_noisy_sets(sets, args.data, args.speech, args.noise, args.nj)


def _check(args: argparse.Namespace) -> None:
    for name, least in (("num_dev", 1), ("num_test", 1), ("seed", 0), ("nj", 1)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: must be at least {least}")
    for name in ("dev_fraction", "test_fraction", "unseen_fraction", "clean_fraction"):
        if not 0 <= getattr(args, name) <= 1:
            raise UserError(f"--{name} {getattr(args, name)}: must be from 0 to 1")
    if args.snr_range[0] > args.snr_range[1]:
        raise UserError(f"--snr_range {args.snr_range}: the lower ratio comes first")


if __name__ == "__main__":
    run(main)
