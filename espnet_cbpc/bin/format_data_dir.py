# SPDX-License-Identifier: Apache-2.0
"""Check a data directory with its audio and write the dump directory that training reads."""

import argparse
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("in_dir", help="data directory")
    parser.add_argument("out_dir", help="dump directory to write; replaces an existing one")
    parser.add_argument(
        "--fs", type=sampling_rate, default="16k", help="sampling rate, such as 8000 or 8k"
    )
    parser.add_argument(
        "--audio_format", choices=["wav", "flac"], default="wav", help="audio format"
    )
    parser.add_argument(
        "--channel", type=int, help="take this channel only, from 0; none: all channels"
    )
    parser.add_argument(
        "--ref_channel",
        type=int,
        default=0,
        help="reference channel of multichannel recordings, from 0",
    )
    parser.add_argument(
        "--require_text", choices=["true", "false"], default="true", help="require the file text"
    )
    parser.add_argument("--nj", type=int, default=4, help="number of processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = vars(get_parser().parse_args(cmd))
    args["require_text"] = args["require_text"] == "true"
    format_data_dir(**args)


if __name__ == "__main__":
    run(main)
