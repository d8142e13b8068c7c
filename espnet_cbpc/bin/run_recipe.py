# SPDX-License-Identifier: Apache-2.0
"""Run the stages of a recipe, in its directory; a recipe's run.sh calls this.

``--help`` lists stages and options, ``--dry_run`` shows what would run and why, ``--status`` what is
done.
"""

import signal
import sys
from collections.abc import Sequence
from typing import Optional

from espnet_cbpc.recipe.options import parse, usage
from espnet_cbpc.utils.cli import run


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command.

    Args:
        cmd: the options; None: those of the command line.
    """
    words = sys.argv[1:] if cmd is None else cmd
    if {"-h", "--help"} & set(words):
        print(usage())
        return
    options = parse(words)
    from espnet_cbpc.recipe.packages import check_packages
    from espnet_cbpc.recipe.recipe import Recipe
    from espnet_cbpc.recipe.runner import Runner
    from espnet_cbpc.versions import check_versions

    check_versions()
    runner = Runner(Recipe(options))
    if options.dry_run or options.status:
        for line in runner.dry_run() if options.dry_run else runner.status():
            print(line)
        return
    check_packages(runner.stages(), options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner.run()


if __name__ == "__main__":
    run(main)
