"""Check a Kaldi-style data directory and say what is in it."""

import argparse
from typing import Optional, Sequence

from espnet_cbpc.data.kaldi_dir import DataDir
from espnet_cbpc.data.summary import summarise, total_hours
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("dir", help="data directory")
    parser.add_argument("--audio", action="store_true", help="read and check all audio as well")
    parser.add_argument(
        "--require_text", choices=["true", "false"], default="true", help="text must be there"
    )
    parser.add_argument("--nj", type=int, default=4, help="number of processes that read audio")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    data = DataDir.read(args.dir, args.require_text == "true")
    hours = f", {total_hours(data, args.nj):.2f} hours" if args.audio else ""
    print(summarise(data) + hours)


if __name__ == "__main__":
    run(main)
