"""Options that the scoring commands share."""

import argparse
from typing import Any, Dict, List, Sequence

from espnet_cbpc.scoring.measures import ALL, DEFAULT, MEASURES, SETS
from espnet_cbpc.utils.cli import UserError


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which systems and sets are reported on, and how."""
    parser.add_argument(
        "--systems",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help="row name and inference folder, with <set>/text and, if it enhances, its speech or "
        "scores; DIR,DIR,...: trainings of one system with several seeds, in the same order of "
        "seeds for all systems",
    )
    parser.add_argument("--data_root", default="dump/raw", help="folder of the sets")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets")
    parser.add_argument(
        "--breakdown",
        nargs="+",
        default=["utt2snr"],
        metavar="TABLE",
        help="tables in a set's folder to split results by",
    )
    parser.add_argument(
        "--block",
        metavar="TABLE",
        help="table in a set's folder (utt2spk, ...): utterances of one value depend on one "
        "another, and count as one in intervals and tests",
    )
    parser.add_argument(
        "--compare_with",
        nargs="+",
        metavar="NAME",
        help="systems that all others are tested against; by default the first",
    )
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    parser.add_argument(
        "--header", nargs="*", default=[], metavar="KEY=VALUE", help="facts to put on top"
    )


def add_measures_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice of measures of speech quality."""
    parser.add_argument(
        "--measures",
        nargs="+",
        default=[DEFAULT],
        metavar="NAME",
        help=f"{DEFAULT} (the quick ones), {ALL}, or names: {', '.join([*MEASURES, *SETS])}",
    )


def report_arguments(args: argparse.Namespace) -> Dict[str, Any]:
    """Return the arguments of :func:`espnet_cbpc.scoring.report.write_report` that were given.

    Raises:
        UserError: an option is not as its help says.
    """
    if args.resamples < 1:
        raise UserError(f"--resamples {args.resamples}: must be at least 1")
    systems = named("--systems", args.systems)
    return {
        "systems": {name: _folders(name, value) for name, value in systems.items()},
        "header": named("--header", args.header),
        **{key: getattr(args, key) for key in ("data_root", "sets", "breakdown", "block")},
        **{key: getattr(args, key) for key in ("compare_with", "resamples", "seed")},
    }


def named(option: str, items: Sequence[str]) -> Dict[str, str]:
    """Return what ``NAME=VALUE`` items say.

    Raises:
        UserError: an item of another form, or a name that comes twice.
    """
    found: Dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise UserError(f"{option} '{item}': write it as NAME=VALUE")
        if name in found:
            raise UserError(f"{option}: '{name}' comes twice: names must differ")
        found[name] = value
    return found


def _folders(name: str, value: str) -> List[str]:
    folders = [folder for folder in value.split(",") if folder]
    if len(set(folders)) < len(folders) or not folders:
        raise UserError(f"--systems '{name}={value}': give each seed's folder once")
    return folders
