# SPDX-License-Identifier: Apache-2.0
"""A step of a recipe: what it needs, what it makes, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from espnet_cbpc.recipe.jobs import Jobs


@dataclass(frozen=True)
class Step:
    """One entry of the bookkeeping.

    Attributes:
        name: unique within an experiment, good for a file name.
        inputs: by name, what the results depend on: JSON-like values, or inputs of
            :mod:`espnet_cbpc.recipe.inputs`.
        outputs: files and folders that exist once it is done.
        run: makes them, for all steps of a batch at once.
        batch: steps of one batch that are next to one another are run by one call.
        moves: what is moved away when it is to be made again; None: the outputs.
        records: folder for the bookkeeping; None: that of the first output.
        is_training: what it makes took long, and is kept on demand.
        log: where its job writes.
    """

    name: str
    inputs: Mapping[str, Any]
    outputs: tuple[Path, ...]
    run: Callable[[Jobs, Sequence["Step"]], None]
    batch: str = ""
    moves: Optional[tuple[Path, ...]] = None
    is_training: bool = False
    log: Optional[Path] = None
    records: Optional[Path] = None

    @property
    def replaced(self) -> tuple[Path, ...]:
        """Return what is moved away when the step is to be done again."""
        return self.outputs if self.moves is None else self.moves

    @property
    def home(self) -> Path:
        """Return the folder for the bookkeeping, and for what is moved away."""
        return self.records or self.outputs[0].parent
