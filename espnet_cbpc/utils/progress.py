# SPDX-License-Identifier: Apache-2.0
"""Progress of long steps: i/N, rate and time left, readable on a terminal and in a log file."""

import sys
from collections.abc import Iterable
from typing import Optional, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], desc: str, total: Optional[int] = None) -> Iterable[T]:
    """Iterate over ``items`` with a progress line on stderr (rarely, where that is no terminal)."""
    return tqdm(
        items,
        desc=desc,
        total=total,
        mininterval=0.5 if sys.stderr.isatty() else 10.0,
        ncols=80,
        file=sys.stderr,
    )
