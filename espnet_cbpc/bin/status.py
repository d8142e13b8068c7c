# SPDX-License-Identifier: Apache-2.0
"""Show which steps of a recipe are done, running or out of date, and where their logs are.

Options of the recipe's run.sh may follow, such as --stage or --expdir.
"""

import argparse
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default=".", help="its folder (default: this one)")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command.

    Raises:
        UserError: a folder that is no recipe's, or its run.sh failed.
    """
    args, options = get_parser().parse_known_args(cmd)
    folder = Path(args.recipe)
    if not (folder / "run.sh").is_file():
        raise UserError(
            f"{folder}: holds no run.sh: name the folder of a recipe, or make one with "
            "espnet-cbpc new"
        )
    done = subprocess.run(["./run.sh", "--status", *options], cwd=folder)
    if done.returncode:
        raise UserError(f"{folder / 'run.sh'} failed (status {done.returncode}): see above")


if __name__ == "__main__":
    run(main)
