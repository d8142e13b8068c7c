"""What every command shares: one kind of user error, and how it reaches the terminal."""

import logging
import sys
from typing import Callable, Iterable, Optional, Sequence


class UserError(ValueError):
    """Something the user can put right: bad data, a bad option, a file that is not there.

    The message says what is wrong, where, how many are affected, and the remedy.
    """


def listed(items: Iterable, limit: int = 5) -> str:
    """Return the first ``limit`` items joined by commas, and how many more there are."""
    items = list(items)
    more = len(items) - limit
    return ", ".join(map(str, items[:limit])) + (f" and {more} more" if more > 0 else "")


def run(main: Callable[[Optional[Sequence[str]]], None], set_up_logging: bool = True) -> None:
    """Run a command's ``main``; a ``UserError`` becomes one message on stderr and exit status 1.

    Args:
        main: takes the command line, None for the process's.
        set_up_logging: False where ``main`` does so itself, as ESPnet's trainings do.
    """
    if set_up_logging:
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s: %(message)s", stream=sys.stderr
        )
    try:
        main(None)
    except UserError as e:
        # A data loader's worker puts its traceback before the message.
        sys.exit(f"error: {str(e).rpartition('UserError: ')[2].rstrip()}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
