# SPDX-License-Identifier: Apache-2.0
"""Upload an exported model to Hugging Face Hub. HF_TOKEN is the token, HF_ENDPOINT the address."""

import argparse
import logging
from pathlib import Path

from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--packed", required=True, help="folder made by the export command")
    parser.add_argument("--repo", required=True, help="user/name on the hub")
    parser.add_argument(
        "--part", choices=("asr", "enh"), help="upload that model alone, to a repository of its own"
    )
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument(
        "--dry_run", metavar="FOLDER", help="write what would be uploaded to this folder, and stop"
    )
    return parser


def main(cmd=None) -> None:
    """Upload."""
    args = get_parser().parse_args(cmd)
    from espnet_cbpc.model_zoo.uploading import gather, upload  # slow to import

    if args.dry_run:
        gather(Path(args.packed), Path(args.dry_run), args.part)
        logging.info("%s holds what would be uploaded to %s", args.dry_run, args.repo)
        return
    logging.info("uploaded: %s", upload(args.packed, args.repo, args.private, part=args.part))


if __name__ == "__main__":
    run(main)
