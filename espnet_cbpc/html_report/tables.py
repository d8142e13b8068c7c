"""What a table of the page holds."""

from dataclasses import dataclass
from typing import List, Optional, Sequence, Union

from markupsafe import Markup

Cell = Union[str, Markup]
MISSING = "–"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        head: the columns' names.
        rows: the cells; a :class:`Markup` is taken as HTML, all else as text.
        texts: how many of the first columns are text, and name the row; the rest are numbers.
    """

    caption: str
    head: Sequence[str]
    rows: List[Sequence[Cell]]
    texts: int = 1


def percent(rate: Optional[float]) -> str:
    """Return a share of 1 in percent, a dash for None."""
    return MISSING if rate is None else f"{100 * rate:.1f}"


def with_interval(rate: Optional[float], interval: Optional[Sequence[Optional[float]]]) -> str:
    """Return a rate and its interval in percent; what is None is left out."""
    if rate is None or not interval or None in interval:
        return percent(rate)
    return f"{percent(rate)} [{percent(interval[0])}, {percent(interval[1])}]"
