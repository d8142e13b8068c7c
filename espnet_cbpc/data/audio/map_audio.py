# SPDX-License-Identifier: Apache-2.0
"""Process many audio files, and report all faults at once."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Callable, Optional

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike
from espnet_cbpc.utils.parallel import parallel_map


def map_audio(
    work: Callable[[Any], Any],
    items: Iterable[tuple[str, Any]],
    total: int,
    nj: int,
    desc: str,
    where: PathLike,
    unit: str = "utterance(s)",
) -> dict[str, Any]:
    """Apply ``work`` to every item in ``nj`` processes.

    Args:
        work: takes an item; picklable, as is what it returns.
        items: pairs of a name and what to work on.
        total: how many there are.
        nj: number of processes; 1 stays in this one.
        desc: name of the step, for the progress line.
        where: what the items are part of, for errors.
        unit: what the items are, for errors.

    Returns:
        What ``work`` returned, by name.

    Raises:
        UserError: ``work`` raised :class:`AudioError` for some items; one line for each kind of
            fault says how many and names the first. Or a process was killed.
    """
    results: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for name, result, fault in parallel_map(partial(_guarded, work), items, total, nj, desc):
        if fault is None:
            results[name] = result
        else:
            problem, place = fault
            faults.setdefault(problem, []).append(f"{name}: {place}")
    if faults:
        lines = (
            f"{len(found)} of {total} {unit}: {problem} ({listed(found)})"
            for problem, found in faults.items()
        )
        raise UserError(f"{where}: " + "\n".join(lines))
    return results


def _guarded(work: Callable, item: tuple[str, Any]) -> tuple[str, Any, Optional[tuple[str, str]]]:
    name, argument = item
    try:
        return name, work(argument), None
    except AudioError as e:
        return name, None, (e.problem, e.where)
