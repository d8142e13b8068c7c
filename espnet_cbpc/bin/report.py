"""Make the results table of several systems: Markdown, and the same numbers as results.json."""

import argparse
from typing import Dict, Optional, Sequence

from espnet_cbpc.scoring.report import write_report
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--systems",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help="row name and inference folder, with <set>/text and, if any, <set>/score_enh",
    )
    parser.add_argument("--data_root", default="dump/raw", help="folder of the sets")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets")
    parser.add_argument(
        "--noisy_scores",
        help="folder with <set>/ or <set>/score_enh as written by score_enh for unprocessed speech",
    )
    parser.add_argument(
        "--breakdown", default="utt2snr", help="table in a set's folder to split results by"
    )
    parser.add_argument("--output", default="RESULTS.md", help="Markdown file to write")
    parser.add_argument(
        "--header", nargs="*", default=[], metavar="KEY=VALUE", help="facts to put on top"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    return parser


def _named(option: str, items: Sequence[str]) -> Dict[str, str]:
    named: Dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise UserError(f"{option} '{item}': write it as NAME=VALUE")
        if name in named:
            raise UserError(f"{option}: '{name}' comes twice: names must differ")
        named[name] = value
    return named


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    args.systems = _named("--systems", args.systems)
    args.header = _named("--header", args.header)
    write_report(**vars(args))
    print(f"wrote {args.output}")


if __name__ == "__main__":
    run(main)
