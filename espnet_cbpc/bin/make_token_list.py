"""Write the token list (and the bpe model) of a training text."""

import argparse
import logging

from espnet_cbpc.data.kaldi.token_list import BPE_MODES, make_token_list
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--text", required=True, help="text of the training set")
    parser.add_argument("--token_type", required=True, help="char, word or bpe")
    parser.add_argument("--nbpe", type=int, default=500, help="number of units of bpe")
    parser.add_argument("--bpemode", choices=BPE_MODES, default="unigram", help="model of bpe")
    parser.add_argument("--output_dir", required=True, help="gets tokens.txt and bpe.model")
    return parser


def main(cmd=None) -> None:
    """Write."""
    args = get_parser().parse_args(cmd)
    tokens = make_token_list(**vars(args))
    logging.info("%d tokens in %s/tokens.txt", len(tokens), args.output_dir)


if __name__ == "__main__":
    run(main)
