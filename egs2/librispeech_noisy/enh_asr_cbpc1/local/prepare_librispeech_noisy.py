#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, noise lists, audio and manifests of noisy LibriSpeech."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Union

import librispeech_corpus
import noise_corpora
from librispeech_corpus import TRAIN_PARTS
from librispeech_protocol import Draw, Sizes
from noise_corpora import WHOLE, Noise
from training_lists import write_noise_list, write_rir_list

from espnet_cbpc.data.audio.audio_file import check_sounding
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.noisy_sets.clean_set import write_clean_set
from espnet_cbpc.data.noisy_sets.noise_folder import sounding
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.data.noisy_sets.write_sets import write_noisy_sets
from espnet_cbpc.utils.cli import UserError, check_at_least, run

DEV, TEST = "dev-clean", "test-clean"


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--librispeech", default="", help="folder of the corpus; empty: download")
    parser.add_argument(
        "--librispeech_url",
        default=librispeech_corpus.URL,
        help="URL of the folder of archives, or of a mirror",
    )
    for variable in noise_corpora.CORPORA:
        parser.add_argument(f"--{variable.lower()}", default="", help=f"folder of {variable}")
    parser.add_argument("--musan_url", default=noise_corpora.MUSAN_URL, help="archive of MUSAN")
    parser.add_argument("--rirs", default="", help="folder of room impulse responses; may be empty")
    parser.add_argument("--downloads", default="downloads", help="folder for downloads")
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument(
        "--hours",
        type=int,
        default=100,
        choices=sorted(TRAIN_PARTS),
        help="hours of training speech",
    )
    parser.add_argument(
        "--static_train", choices=["true", "false"], default="false",
        help="write data/train_noisy: the training speech mixed once, for training without dynamic "
        "mixing",
    )  # fmt: skip
    parser.add_argument(
        "--allow_partial", choices=["true", "false"], default="false",
        help="accept an incomplete LibriSpeech",
    )  # fmt: skip
    parser.add_argument(
        "--unseen_noise",
        nargs="*",
        default=[],
        help="corpora to reserve for test_unseen, such as esc50",
    )
    parser.add_argument("--num_dev", type=int, default=2703, help="most utterances in dev")
    parser.add_argument("--num_test", type=int, default=500, help="utterances in a noisy test set")
    parser.add_argument(
        "--test_snrs",
        type=int,
        nargs="+",
        default=[-5, 0, 5, 10, 15, 20],
        help="SNRs of each test set in dB",
    )
    parser.add_argument(
        "--snr_range",
        type=float,
        nargs=2,
        default=[-5, 20],
        help="SNR range of dev and train_noisy in dB",
    )
    parser.add_argument(
        "--clean_fraction", type=float, default=0.1, help="share of train_noisy left clean"
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
    data, train_parts = Path(args.data), TRAIN_PARTS[args.hours]
    # 1. what there is
    parts, roots = _locate(args, train_parts)
    speech = {
        part: librispeech_corpus.read_part(part, folder, args.allow_partial == "true")
        for part, folder in parts.items()
    }
    noises = noise_corpora.noises(roots, tuple(args.unseen_noise))
    corpora = _link(data / "corpora", {**parts, **roots})
    # 2. what is made of it
    train = [recording for part in train_parts for recording in speech[part]]
    mixed = train if args.static_train == "true" else []
    lengths = _of_files(check_sounding, [*speech[TEST], *speech[DEV], *mixed], corpora, args.nj)
    used = [noise for use in ("dev", "seen", "unseen") for noise in noises[use]]
    used += [noise for noise in noises["train"] if mixed or noise.share != WHOLE]
    sounds = _of_files(sounding, used, corpora, args.nj)
    sizes = Sizes(
        args.num_dev, args.num_test, args.test_snrs, tuple(args.snr_range), args.clean_fraction
    )
    draw = Draw(lengths, sounds, noises, args.fs, sizes, args.seed)
    sets = draw.sets(speech[TEST], speech[DEV], mixed)
    # 3. write it
    genders = librispeech_corpus.genders(parts.values())
    write_clean_set(data / "train_clean", train, corpora, genders)
    write_clean_set(data / "test_clean", speech[TEST], corpora, genders)
    write_noise_list(data, noises["train"], sounds, corpora, args.fs, args.nj)
    write_rir_list(data, args.rirs)
    write_noisy_sets(sets, data, corpora, corpora, args.nj)


def _check(args: argparse.Namespace) -> None:
    check_at_least(args, num_dev=1, num_test=1, seed=0, fs=8000, nj=1)
    if not 0 <= args.clean_fraction <= 1:
        raise UserError(f"--clean_fraction {args.clean_fraction}: must be from 0 to 1")
    if not args.snr_range[0] <= args.snr_range[1]:
        raise UserError(f"--snr_range {args.snr_range}: the first must not exceed the second")
    if len(set(args.test_snrs)) < len(args.test_snrs):
        raise UserError(f"--test_snrs {args.test_snrs}: each must be given once")


def _locate(
    args: argparse.Namespace, train_parts: Sequence[str]
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the folders of LibriSpeech's parts and of the noise corpora."""
    parts = (TEST, DEV, *train_parts)
    given = {name: getattr(args, name.lower()) for name in noise_corpora.CORPORA}
    downloads = Path(args.downloads)
    return (
        librispeech_corpus.locate(args.librispeech, parts, args.librispeech_url, downloads),
        noise_corpora.locate(given, args.musan_url, downloads),
    )


def _of_files(
    work: Callable[[Path], Any], items: Sequence[Union[Recording, Noise]], corpora: Path, nj: int
) -> dict[str, Any]:
    """Apply ``work`` to the file of each item once; return what it returns, by file."""
    files = sorted({item.file for item in items})
    named = ((file, corpora / file) for file in files)
    return map_audio(work, named, len(files), nj, work.__name__, corpora, "file(s)")


def _link(folder: Path, roots: Mapping[str, Path]) -> Path:
    """Make links to all corpora in one folder, which the paths in manifests are below."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, root in roots.items():
        temporary = folder / f".{name}.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(root.resolve())
        os.replace(temporary, folder / name)
    return folder


if __name__ == "__main__":
    run(main)
