"""Make the folder of a recipe for your own speech and noise.

It holds run.sh, compare.sh, the presets in conf/, and README.md, which says how to go on. It uses
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
    parser.add_argument("folder", help="to be made; its name is that of the corpus in reports")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    recipe = make_recipe(get_parser().parse_args(cmd).folder)
    print(
        f"made {recipe}: name your folders SPEECH and NOISE in its db.sh, then start its run.sh; "
        "README.md there says more"
    )


if __name__ == "__main__":
    run(main)
