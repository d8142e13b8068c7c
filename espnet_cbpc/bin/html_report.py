# SPDX-License-Identifier: Apache-2.0
"""Write the report of an experiment as one HTML page: tables, plots, curves, clusters, examples.

The page needs no network and no other file. Run this in the recipe's directory, since the paths in
the data directories are relative to it.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.scoring.report.scoring_options import named_folders
from espnet_cbpc.utils.cli import UserError, run
from espnet_cbpc.utils.extras import check_extra


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--results", required=True, help="results.json of espnet_cbpc.bin.report")
    parser.add_argument(
        "--systems",
        nargs="+",
        required=True,
        metavar="NAME=DIR[,DIR...]",
        help="system in the results to plot, and its inference folder, or one per training "
        "seed; examples are chosen for the last system",
    )
    parser.add_argument("--data_root", default="dump/raw", help="folder of the sets")
    parser.add_argument(
        "--experiments",
        nargs="*",
        default=[],
        metavar="NAME=DIR[,DIR...]",
        help="training runs whose curves to draw, each with its folder, or one per seed",
    )
    parser.add_argument("--tokenizer", help="folder of the acoustic tokenizer")
    parser.add_argument("--embedding_map", help="file made by espnet_cbpc.bin.map_embeddings")
    parser.add_argument(
        "--breakdowns",
        nargs="*",
        default=["utt2snr", "utt2noise", "utt2env"],
        help="tables in the sets' folders to split WER by, if present",
    )
    parser.add_argument(
        "--no_examples", dest="examples", action="store_false", help="leave out audio"
    )
    parser.add_argument(
        "--rows", type=int, default=8, help="rows in the tables of worst and best utterances"
    )
    parser.add_argument(
        "--max_seconds", type=float, default=8.0, help="largest length of an example's audio"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed for choosing examples")
    parser.add_argument("--output", default="exp/report.html", help="the HTML file")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    for option in ("systems", "experiments"):
        named = named_folders(f"--{option}", getattr(args, option))
        setattr(args, option, {name: [Path(f) for f in given] for name, given in named.items()})
    if args.rows < 1 or not args.max_seconds > 0:
        raise UserError("--rows must be at least 1, and --max_seconds more than 0")
    check_extra("a report", "report")
    from espnet_cbpc.html_report.page import write_page  # what it imports is an extra

    logging.getLogger("tensorboard").setLevel(logging.WARNING)  # it tells of every file
    write_page(**vars(args))
    size = Path(args.output).stat().st_size / 1e6
    print(f"wrote {args.output} ({size:.1f} MB)")


if __name__ == "__main__":
    run(main)
