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


def run(main: Callable[[Optional[Sequence[str]]], None]) -> None:
    """Run a command's ``main``; a ``UserError`` becomes one line on stderr and exit status 1."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s: %(message)s", stream=sys.stderr
    )
    try:
        main(None)
    except UserError as e:
        sys.exit(f"error: {e}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
