"""What a table of the page holds."""

from dataclasses import dataclass
from typing import List, Sequence, Union

from markupsafe import Markup

Cell = Union[str, Markup]


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
