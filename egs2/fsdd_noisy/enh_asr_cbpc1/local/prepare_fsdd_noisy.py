#!/usr/bin/env python
"""Write the data directories, audio and manifests of the noisy connected digits."""

import argparse
import logging
from pathlib import Path
from typing import Dict, Optional, Sequence

from fsdd_corpora import FSDD, NONSPEECH, lengths, obtain
from fsdd_protocol import Draw, Sizes

from espnet_cbpc.data.kaldi_dir import write_data_dir
from espnet_cbpc.data.noisy_mixture import (
    Mixture,
    audio_files,
    write_manifest,
    write_mixtures,
)
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--fsdd", default="", help="folder of FSDD; empty: download")
    parser.add_argument("--nonspeech", default="", help="folder of the noises; empty: download")
    parser.add_argument("--fsdd_url", default=FSDD.url, help="zip of FSDD")
    parser.add_argument("--nonspeech_url", default=NONSPEECH.url, help="zip of the noises")
    parser.add_argument("--downloads", default="downloads", help="folder for what is downloaded")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument("--train_minutes", type=float, default=140, help="speech to train on")
    parser.add_argument("--clean_fraction", type=float, default=0.08, help="of train, left clean")
    parser.add_argument("--num_dev", type=int, default=200, help="utterances in dev")
    parser.add_argument("--num_test", type=int, default=200, help="different utterances in a test")
    parser.add_argument("--seed", type=int, default=0, help="of every draw")
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
    nonspeech = obtain(NONSPEECH, args.nonspeech, args.nonspeech_url, args.downloads)
    draw = Draw(lengths(FSDD, fsdd), lengths(NONSPEECH, nonspeech), args.fs, args.seed)
    sets = draw.sets(Sizes(args.train_minutes, args.clean_fraction, args.num_dev, args.num_test))
    data = Path(args.data)
    for name, mixtures in sets.items():
        (data / name / "wav.scp").unlink(missing_ok=True)  # not whole until written anew
        write_manifest(data / "manifests" / f"{name}.jsonl", mixtures)
    for name, mixtures in sets.items():
        audio = data / "audio" / name
        write_mixtures(mixtures, audio, fsdd, nonspeech, args.nj)
        write_data_dir(data / name, tables(mixtures, audio))
        logging.info("%s: %d utterances", data / name, len(mixtures))


def _check(args: argparse.Namespace) -> None:
    for name, least in (("num_dev", 1), ("num_test", 1), ("seed", 0), ("fs", 8000), ("nj", 1)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: must be at least {least}")
    if not args.train_minutes > 0:
        raise UserError(f"--train_minutes {args.train_minutes}: must be greater than 0")
    if not 0 <= args.clean_fraction <= 1:
        raise UserError(f"--clean_fraction {args.clean_fraction}: must be from 0 to 1")


def tables(mixtures: Sequence[Mixture], audio: Path) -> Dict[str, Dict[str, str]]:
    """Return the files of a data directory by name, each by utterance.

    Beside Kaldi's files: ``utt2snr``, in dB or ``clean``, and ``utt2noise``, such as ``n83``, or
    ``none``.
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
    if noisy:
        result["noise1.scp"] = {mixture.id: str(files[mixture.id]["noise"]) for mixture in noisy}
    for mixture in noisy:
        result["utt2category"][mixture.id] = "SIMU"
        result["utt2snr"][mixture.id] = f"{mixture.snr:g}"
        result["utt2noise"][mixture.id] = Path(mixture.noise).stem
    return result


if __name__ == "__main__":
    run(main)
