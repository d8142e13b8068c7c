"""Leave utterances out of a formatted directory that are too short or too long."""

import argparse
from typing import Optional, Sequence

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.kaldi.filter_dir import filter_data_dir
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("in_dir", help="formatted directory (see format_data_dir)")
    parser.add_argument("out_dir", help="directory to write, which replaces an earlier one")
    parser.add_argument(
        "--fs", type=sampling_rate, default="16k", help="sampling rate, as 8000 or 8k"
    )
    parser.add_argument("--min_seconds", type=float, default=0.1, help="shortest length kept")
    parser.add_argument("--max_seconds", type=float, default=20.0, help="longest length kept")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    counts = filter_data_dir(**vars(args))
    print(
        f"{args.out_dir}: kept {counts.kept} utterances, left out {counts.short} shorter than "
        f"{args.min_seconds} s and {counts.long} longer than {args.max_seconds} s"
    )


if __name__ == "__main__":
    run(main)
