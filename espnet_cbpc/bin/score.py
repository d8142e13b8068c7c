# SPDX-License-Identifier: Apache-2.0
"""Score the output of systems on sets: errors, speech quality, confidence intervals, paired tests.

Scores that are missing or out of date are computed, and kept beside the decoded text and enhanced
speech; then OUTDIR/RESULTS.md and OUTDIR/results.json are written.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.scoring.report.gather import write_report
from espnet_cbpc.scoring.report.score_systems import score_systems
from espnet_cbpc.scoring.report.scoring_options import (
    add_measures_option,
    add_report_options,
    report_arguments,
)
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_report_options(parser)
    parser.add_argument("--outdir", required=True, help="folder of the report")
    parser.add_argument(
        "--noisy_scores",
        help="folder for the scores of the unprocessed speech; by default OUTDIR/noisy_scores",
    )
    add_measures_option(parser)
    parser.add_argument("--nj", type=int, default=2, help="number of processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    options, outdir = report_arguments(args), Path(args.outdir)
    folders = dict.fromkeys(f for given in options["systems"].values() for f in given)
    noisy_scores = score_systems(
        folders,
        args.data_root,
        args.sets,
        args.noisy_scores or outdir / "noisy_scores",
        args.measures,
        args.nj,
        args.text_normalizer,
    )
    write_report(**options, noisy_scores=noisy_scores, output=outdir / "RESULTS.md")
    print(f"wrote {outdir / 'RESULTS.md'}")


if __name__ == "__main__":
    run(main)
