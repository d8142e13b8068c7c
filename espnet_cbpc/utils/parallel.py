# SPDX-License-Identifier: Apache-2.0
"""The same work on many items, in several processes."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, TypeVar

from threadpoolctl import threadpool_limits

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 8


def parallel_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    total: int,
    nj: int,
    desc: str,
    chunk: int = CHUNK,
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in order, with a progress line.

    Of several processes each works with one thread, unless ``work`` sets another number.

    Args:
        work: picklable, as are the items and what it returns or raises.
        items: what to work on.
        total: how many items there are.
        nj: number of processes; 1 works in this one.
        desc: name of the step, for the progress line and for errors.
        chunk: items that a process takes at a time: few where each takes long.

    Raises:
        UserError: ``nj`` is below 1, or a process was killed. What ``work`` raises comes through.
    """
    if nj < 1:
        raise UserError(f"--nj {nj}: must be at least 1")
    if nj == 1:
        yield from progress(map(work, items), desc, total)
        return
    with ProcessPoolExecutor(nj, initializer=_begin) as pool:
        try:
            yield from progress(pool.map(work, items, chunksize=chunk), desc, total)
        except BrokenProcessPool as e:
            raise UserError(f"{desc}: a process was killed (memory?): lower --nj") from e
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    end_with_parent()
    limit_threads(1)


def limit_threads(count: int) -> None:
    """Let this process compute with this many threads, and those that it starts."""
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(count)  # of what is not loaded yet
    threadpool_limits(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def end_with_parent() -> None:
    """End this process of multiprocessing as soon as the one that started it has ended.

    It would otherwise wait, or work, forever once the command has been killed.
    """

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
