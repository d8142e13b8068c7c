# SPDX-License-Identifier: Apache-2.0
"""Write the results tables of several systems as Markdown, with the same numbers as JSON beside it.

RESULTS.md gets results.json, any other NAME.md gets NAME.json.
"""

import argparse
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.scoring.report.gather import write_report
from espnet_cbpc.scoring.report.scoring_options import add_report_options, report_arguments
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_report_options(parser)
    parser.add_argument(
        "--noisy_scores",
        help="folder with <set>/ or <set>/score_enh as written by score_enh for unprocessed speech",
    )
    parser.add_argument("--output", default="exp/RESULTS.md", help="Markdown file to write")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    write_report(**report_arguments(args), noisy_scores=args.noisy_scores, output=args.output)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    run(main)
