# SPDX-License-Identifier: Apache-2.0
"""Score speech against clean references: PESQ, STOI, SI-SDR and other measures of quality."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.scoring.quality.set_quality import score_enh
from espnet_cbpc.scoring.report.scoring_options import add_measures_option
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--ref_scp", required=True, help="spk1.scp of the clean references")
    parser.add_argument(
        "--inf_scp", required=True, help="wav.scp, or enhanced/spk1.scp, of the speech to score"
    )
    parser.add_argument("--outdir", required=True, help="folder to write to")
    parser.add_argument(
        "--utt2category", help="SIMU, REAL or CLEAN for each utterance: only SIMU is scored"
    )
    add_measures_option(parser)
    parser.add_argument("--nj", type=int, default=2, help="number of processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    score_enh(**vars(args))
    print(
        f"{args.outdir}:\n{(Path(args.outdir) / 'result.txt').read_text(encoding='utf-8')}", end=""
    )


if __name__ == "__main__":
    run(main)
