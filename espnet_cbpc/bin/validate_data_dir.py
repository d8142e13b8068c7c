# SPDX-License-Identifier: Apache-2.0
"""Check a Kaldi-style data directory: report every problem, or a summary, and repair it if asked."""

import argparse
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.data.kaldi.dir_summary import audio_summary, summarise
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.kaldi.repair import repair_data_dir
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("dir", help="data directory")
    parser.add_argument("--audio", action="store_true", help="also read and check all audio")
    parser.add_argument(
        "--fix",
        action="store_true",
        help="first put right what has one right answer: the order of lines, stray white space, "
        "repeated lines, spk2utt; the originals go to backup.<date and time> in the directory",
    )
    parser.add_argument(
        "--fix_drop",
        action="store_true",
        help="as --fix, and remove incomplete utterances from all files",
    )
    parser.add_argument(
        "--require_text", choices=["true", "false"], default="true", help="require the file text"
    )
    parser.add_argument("--nj", type=int, default=4, help="number of processes that read audio")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command.

    Raises:
        UserError: the directory is not valid (after the repair); each kind of fault in one line.
    """
    args = get_parser().parse_args(cmd)
    require_text = args.require_text == "true"
    if args.fix or args.fix_drop:
        for line in repair_data_dir(args.dir, args.fix_drop, require_text):
            print(line)
    data, faults = DataDir.examine(args.dir, require_text)
    audio = ""
    if data is not None and args.audio:
        try:
            audio = f", {audio_summary(data, args.nj)}"
        except UserError as e:
            faults.append(str(e))
    if data is None or faults:
        raise UserError("\n".join(faults))
    print(summarise(data) + audio)


if __name__ == "__main__":
    run(main)
