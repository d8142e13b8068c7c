# SPDX-License-Identifier: Apache-2.0
"""Create a recipe for your own speech and noise.

Its folder holds run.sh, compare.sh, the presets in conf/, and README.md with the next steps. It uses
the Python environment of this command.
"""

import argparse
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.recipe.new_recipe import make_recipe
from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", help="folder to create; its name is used as the corpus name in reports"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    recipe = make_recipe(get_parser().parse_args(cmd).folder)
    print(
        f"made {recipe}: name your folders SPEECH and NOISE in its db.sh, then start its run.sh; "
        "see README.md there"
    )


if __name__ == "__main__":
    run(main)
