# SPDX-License-Identifier: Apache-2.0
"""A table, as data: reports show it in Markdown or in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        head: the columns' names.
        rows: the cells. In HTML a ``markupsafe.Markup`` is taken as it is, all else as text.
        texts: how many of the first columns are text, and name the row; the rest are numbers.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1

    def markdown(self) -> str:
        """Return the table without its caption: texts left-aligned, numbers right-aligned."""
        rule = [":--" if column < self.texts else "--:" for column in range(len(self.head))]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.head, rule, *self.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
