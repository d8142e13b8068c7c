# SPDX-License-Identifier: Apache-2.0
"""Options that the scoring commands share."""

import argparse
import os
from collections.abc import Sequence
from typing import Any, Callable

from espnet_cbpc.scoring.quality.measures import ALL, DEFAULT, MEASURES, SETS
from espnet_cbpc.scoring.wer.text_normalizer import NONE, NORMALIZERS, check_normalizer
from espnet_cbpc.utils.cli import UserError


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which systems and sets are reported on, and how."""
    parser.add_argument(
        "--systems",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help="row name and inference folder, with <set>/text and, if it enhances, its speech or "
        "scores; DIR,DIR,...: training runs of one system with several seeds, in the same order "
        "of seeds for all systems",
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
        help="table in a set's folder (utt2spk, ...): utterances with the same value are not "
        "independent, and count as one in intervals and tests",
    )
    parser.add_argument(
        "--compare_with",
        nargs="+",
        metavar="NAME",
        help="systems to test all others against; default: the first",
    )
    parser.add_argument("--resamples", type=int, default=1000, help="number of bootstrap resamples")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    parser.add_argument(
        "--text_normalizer",
        default=NONE,
        help="text normalisation before scoring: "
        + "; ".join(f"{name}, {what}" for name, what in NORMALIZERS.items()),
    )
    parser.add_argument("--notes", help="Markdown file to append to the report")
    parser.add_argument(
        "--header", nargs="*", default=[], metavar="KEY=VALUE", help="facts to list at the top"
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


def report_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of :func:`.gather.write_report` that were given.

    Raises:
        UserError: an option is not as its help says.
    """
    if args.resamples < 1:
        raise UserError(f"--resamples {args.resamples}: must be at least 1")
    check_normalizer(args.text_normalizer)
    return {
        "systems": named_folders("--systems", args.systems),
        "header": named("--header", args.header),
        **{key: getattr(args, key) for key in ("data_root", "sets", "breakdown", "block")},
        **{key: getattr(args, key) for key in ("compare_with", "resamples", "seed", "notes")},
        "text_normalizer": args.text_normalizer,
    }


def named(option: str, items: Sequence[str]) -> dict[str, str]:
    """Return what ``NAME=VALUE`` items say; the first = ends the name.

    Raises:
        UserError: an item of another form, or a name that occurs twice.
    """
    return _by_name(option, items, lambda item: item.partition("=")[::2], "NAME=VALUE")


def named_folders(
    option: str, items: Sequence[str], form: str = "NAME=VALUE"
) -> dict[str, list[str]]:
    """Return the folders, one for each training seed, that ``NAME=DIR[,DIR...]`` items name.

    A name is any title: where it holds a =, that one ends it after which there are folders (or
    files) that exist.

    Args:
        option: which option gives them, for errors.
        items: what it was given.
        form: how they are written, for errors.

    Raises:
        UserError: an item of another form, or a name or folder that occurs twice.
    """
    found = {}
    for name, value in _by_name(option, items, _at_its_folders, form).items():
        folders = _listed(value)
        if len(set(folders)) < len(folders) or not folders:
            raise UserError(f"{option} '{name}={value}': give each seed's folder once")
        found[name] = folders
    return found


def _at_its_folders(item: str) -> tuple[str, str]:
    parts = item.split("=")
    ways = [("=".join(parts[:i]), "=".join(parts[i:])) for i in range(1, len(parts))]
    there = (way for way in ways if all(os.path.exists(path) for path in _listed(way[1])))
    return next(there, ways[0] if ways else (item, ""))


def _listed(value: str) -> list[str]:
    return [path for path in value.split(",") if path]


def _by_name(
    option: str, items: Sequence[str], split: Callable[[str], tuple[str, str]], form: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        name, value = split(item)
        if not (name and value):
            raise UserError(f"{option} '{item}': write it as {form}")
        if name in found:
            raise UserError(f"{option}: '{name}' is given twice: names must differ")
        found[name] = value
    return found
