"""Write a data directory with a copy of every utterance at each of some speeds."""

import argparse
from typing import Optional, Sequence

from espnet_cbpc.data.kaldi.speed_perturbation import perturb_data_dir
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("in_dir", help="data directory of mono audio")
    parser.add_argument("out_dir", help="data directory to write, which replaces an earlier one")
    parser.add_argument(
        "--factors", type=float, nargs="+", default=[0.9, 1.0, 1.1], help="speeds; 1 is unchanged"
    )
    parser.add_argument("--nj", type=int, default=4, help="number of processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    perturb_data_dir(**vars(get_parser().parse_args(cmd)))


if __name__ == "__main__":
    run(main)
