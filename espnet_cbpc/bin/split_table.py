"""Deal the lines of a table (such as wav.scp) out to files, one a job, in order."""

import argparse

import numpy as np

from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("table", help="file to split")
    parser.add_argument("parts", nargs="+", help="files to write")
    parser.add_argument("--utt2category", help="file with each utterance's category")
    parser.add_argument("--category", nargs="*", default=[], help="keep these only; none: all")
    return parser


def main(cmd=None) -> None:
    """Split."""
    args = get_parser().parse_args(cmd)
    table = read_table(args.table)
    ids = list(table)
    if args.category:
        category = read_table(args.utt2category)
        ids = [u for u in ids if category.get(u) in args.category]
    if len(ids) < len(args.parts):
        raise UserError(
            f"{args.table}: {len(ids)} utterances"
            + (f" of category {' or '.join(args.category)}" if args.category else "")
            + f" cannot be dealt out to {len(args.parts)} jobs: add data, or take fewer jobs"
        )
    for part, share in zip(args.parts, np.array_split(ids, len(args.parts))):
        write_table(part, {str(u): table[u] for u in share})


if __name__ == "__main__":
    run(main)
