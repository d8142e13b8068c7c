"""Score hypotheses against references: word and character error rates."""

import argparse
from typing import Optional, Sequence

from espnet_cbpc.scoring.wer.score_wer import score_asr
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--ref", required=True, help="Kaldi text of the references")
    parser.add_argument("--hyp", required=True, help="Kaldi text of the hypotheses")
    parser.add_argument("--utt2spk", required=True, help="speaker of every reference")
    parser.add_argument(
        "--outdir", required=True, help="results go to OUTDIR/score_wer and OUTDIR/score_cer"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    for kind, total in score_asr(**vars(args)).items():
        print(
            f"{args.outdir}: {kind.upper()} {100 * total.rate:.1f} % "
            f"({total.errors} errors in {total.words})"
        )


if __name__ == "__main__":
    run(main)
