# SPDX-License-Identifier: Apache-2.0
"""What every command shares: user errors, and how they reach the terminal."""

import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Callable, Optional, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")


class UserError(ValueError):
    """Something the user can fix: bad data, a bad option, a missing file.

    The message says what is wrong, where, how many are affected, and the remedy.
    """


def listed(items: Iterable, limit: int = 5) -> str:
    """Return the first ``limit`` items joined by commas, and how many more there are."""
    items = list(items)
    more = len(items) - limit
    return ", ".join(map(str, items[:limit])) + (f" and {more} more" if more > 0 else "")


def shown(name: object) -> str:
    r"""Return a name as text: the bytes of a file's name that are not UTF-8 as ``\udce9``."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def check_at_least(options: object, **least: float) -> None:
    """Raise ``UserError`` where an attribute of ``options`` is below the least that is given."""
    for name, bound in least.items():
        if getattr(options, name) < bound:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least {bound}")


def gathered(
    work: Callable[[Item], Result], items: Mapping[Key, Item], what: str
) -> dict[Key, Result]:
    """Return ``work(item)`` by key.

    Args:
        work: may raise ``UserError``.
        items: what to work on.
        what: what the items are, for the error.

    Raises:
        UserError: of all items that ``work`` raised it for, how many and the first ones; where they
            all have the same fault, such as an option's, that one.
    """
    results: dict[Key, Result] = {}
    faults: list[UserError] = []
    for key, item in items.items():
        try:
            results[key] = work(item)
        except UserError as e:
            faults.append(e)
    if len(set(map(str, faults))) == 1:
        raise faults[0]
    if faults:
        raise UserError(f"{len(faults)} of {len(items)} {what} are faulty: {listed(faults)}")
    return results


def run(main: Callable[[Optional[Sequence[str]]], None], set_up_logging: bool = True) -> None:
    """Run a command's ``main``; a ``UserError`` becomes one message on stderr and exit status 1.

    So does what the operating system refuses, such as a name that is too long, or a full disk.
    Where nobody reads the output any more, the command ends silently.

    Args:
        main: takes the command line, None for the process's.
        set_up_logging: False where ``main`` does so itself, as ESPnet's training commands do.
    """
    if set_up_logging:
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s: %(message)s", stream=sys.stderr
        )
    try:
        main(None)
        sys.stdout.flush()
    except UserError as e:
        # A data loader's worker puts its traceback before the message.
        sys.exit(f"error: {str(e).rpartition('UserError: ')[2].rstrip()}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        sys.exit(128 + signal.SIGPIPE)
    except OSError as e:
        sys.exit(f"error: {e.filename}: {e.strerror}" if e.filename else f"error: {e}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
