# SPDX-License-Identifier: Apache-2.0
"""Which steps are done, with which inputs, and where replaced outputs are kept.

A step is done with its inputs, whose values are written down when it begins. What was made of other
inputs is never deleted: it moves to ``replaced/<date>_<step>/`` of its folder, and moves back when
the inputs are those again. The record of a step lies beside what it makes, so that several
experiments can share data, and a lock on each step lets several runs share an experiment.
"""

import fcntl
import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc import __version__
from espnet_cbpc.recipe.inputs import Digests, differences, resolve
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write

RECORDS, REPLACED = ".steps", "replaced"
WAIT_SECONDS, TELL_SECONDS = 0.5, 60.0
REASONS = 5  # that are shown


class State(Enum):
    """The state of a step."""

    DONE = "done"
    INTERRUPTED = "interrupted"  # begun with these inputs, or done but for some output
    NEW = "not run yet"
    CHANGED = "out of date"  # begun or done with other inputs
    FOREIGN = "of unknown origin"  # outputs without a record


@dataclass(frozen=True)
class Status:
    """The status of a step now.

    Attributes:
        state: see :class:`State`.
        inputs: of now, resolved.
        record: what was written down when it last began; {} for none.
        reasons: where it is out of date, what has changed, with old and new values.
        kept: folder that holds what was made of these inputs before; None for none.
    """

    state: State
    inputs: dict[str, Any]
    record: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    kept: Optional[Path] = None

    @property
    def why(self) -> str:
        """Return the first reasons, and how many more there are."""
        more = len(self.reasons) - REASONS
        return "; ".join(self.reasons[:REASONS]) + (f" and {more} more" if more > 0 else "")


class Ledger:
    """The records of steps.

    Args:
        digests: of the inputs.
    """

    def __init__(self, digests: Digests):
        self.digests = digests

    def _record_file(self, step: Step) -> Path:
        return step.home / RECORDS / f"{step.name}.json"

    def record(self, step: Step) -> dict[str, Any]:
        """Return what was written down of a step, {} for nothing.

        Raises:
            UserError: the record cannot be read.
        """
        return _read(self._record_file(step))

    def status(self, step: Step) -> Status:
        """Return the status of a step.

        Raises:
            Missing: an input is missing.
            UserError: a record cannot be read.
        """
        inputs, record = resolve(step.inputs, self.digests), self.record(step)
        there = [path for path in step.outputs if path.exists()]
        if record.get("inputs") == inputs:
            done = record["state"] == "done" and len(there) == len(step.outputs)
            return Status(State.DONE if done else State.INTERRUPTED, inputs, record)
        kept = self._kept(step, inputs)
        if record:
            reasons = differences(record["inputs"], inputs)
            return Status(State.CHANGED, inputs, record, reasons, kept)
        return Status(State.FOREIGN if there else State.NEW, inputs, {}, (), kept)

    def _kept(self, step: Step, inputs: Mapping[str, Any]) -> Optional[Path]:
        """Return where what was made of these inputs has been moved to, the newest."""
        replaced = step.home / REPLACED
        for name in sorted(os.listdir(replaced) if replaced.is_dir() else (), reverse=True):
            folder = replaced / name
            if name.partition("_")[2] != step.name:
                continue
            record = _read(folder / "record.json")
            moved = record.get("moved", {})
            if record.get("inputs") == inputs and all(os.path.exists(p) for p in moved.values()):
                return folder
        return None

    def begin(self, step: Step, status: Status) -> Status:
        """Make room for a step, and write down that it has begun.

        What is there of other inputs moves away; what was made of these inputs before moves back.

        Returns:
            The status then: DONE where all of it has moved back.

        Raises:
            UserError: something cannot be moved or written.
        """
        if status.state in (State.CHANGED, State.FOREIGN):
            self._move_away(step, status)
        if status.kept is not None:
            self._move_back(step, status.kept)
            status = self.status(step)
        if status.state is not State.DONE:
            self._write(
                step, {"state": "begun", "inputs": status.inputs, "began": now(), **_made_by()}
            )
        return status

    def finish(self, step: Step) -> None:
        """Write down that a step is done.

        Raises:
            UserError: an output is missing.
        """
        missing = [str(path) for path in step.outputs if not path.exists()]
        if missing:
            raise UserError(f"{step.name} ended without making {', '.join(missing)}")
        self._write(step, {**self.record(step), "state": "done", "ended": now()})

    def adopt(self, step: Step, done: bool) -> None:
        """Take what is there of a step for what its current inputs make."""
        inputs = resolve(step.inputs, self.digests)
        state = {"state": "done" if done else "begun", "inputs": inputs}
        self._write(step, {**state, "began": now(), "ended": now(), "adopted": True})

    def _write(self, step: Step, record: Mapping[str, Any]) -> None:
        with atomic_write(self._record_file(step)) as f:
            json.dump(record, f, indent=1)

    def _move_away(self, step: Step, status: Status) -> None:
        stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S.%f")
        folder = _new_folder(step.home / REPLACED / f"{stamp}_{step.name}")
        there = [part for path in step.replaced for part in _parts(path, step.home)]
        places = {path: folder / path.relative_to(step.home) for path in there}
        moved = {str(path): str(place) for path, place in places.items()}
        with atomic_write(folder / "record.json") as f:
            json.dump({**status.record, "moved": moved}, f, indent=1)
        why = status.why or "no record of how it was made"
        for path, place in places.items():
            logging.info("%s: %s moves to %s (%s)", step.name, path, place, why)
            try:
                _move(path, place)
            except UserError:
                for back, moved_to in places.items():
                    if back != path and moved_to.exists():
                        os.rename(moved_to, back)
                raise
        self._record_file(step).unlink(missing_ok=True)

    def _move_back(self, step: Step, folder: Path) -> None:
        record = _read(folder / "record.json")
        for path, place in record.pop("moved").items():
            logging.info("%s: %s moves back from %s", step.name, path, place)
            _move(Path(place), Path(path))
        self._write(step, record)
        (folder / "record.json").unlink()
        for left in (*sorted(folder.rglob("*"), reverse=True), folder):
            if left.is_dir() and not any(left.iterdir()):
                left.rmdir()

    @contextmanager
    def lock(self, step: Step) -> Iterator[int]:
        """Hold a step, once no other run on any machine does; gives the lock's file descriptor.

        Raises:
            UserError: the file system has no locks.
        """
        path = self._record_file(step).with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as e:
            raise UserError(f"{path}: cannot be written ({e.strerror})") from e
        try:
            _wait_for(descriptor, step.name, path)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def is_running(self, step: Step) -> str:
        """Return which process runs a step, '' if none does."""
        path = self._record_file(step).with_suffix(".lock")
        if not path.exists():
            return ""
        descriptor = os.open(path, os.O_RDWR)
        try:
            return "" if _taken(descriptor, path) else _holder(descriptor)
        finally:
            os.close(descriptor)


def _parts(path: Path, home: Path) -> list[Path]:
    """Return what is to be moved of a path: of the folder of the records all else."""
    if path != home:
        return [path] if os.path.lexists(path) else []
    return [p for p in sorted(path.iterdir()) if p.name not in (RECORDS, REPLACED)]


def _wait_for(descriptor: int, name: str, path: Path) -> None:
    told = -TELL_SECONDS
    while not _taken(descriptor, path):
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            logging.info("%s: waiting for %s, which is running it", name, _holder(descriptor))
        time.sleep(WAIT_SECONDS)


def _taken(descriptor: int, path: Path) -> bool:
    """Try to take a lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        raise UserError(
            f"{path}: cannot be locked ({e.strerror}): mount the file system with locks, or name "
            "another --expdir"
        ) from e
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise UserError(
            f"{path}: cannot be read ({e}): restore it, or remove it to rerun the step"
        ) from e


def _move(source: Path, target: Path) -> None:
    """Rename within a file system: all or nothing."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
    except OSError as e:
        raise UserError(
            f"{source}: cannot be moved to {target} ({e.strerror}): nothing was run"
        ) from e


def _new_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True)
    except OSError as e:
        raise UserError(f"{path}: cannot be made ({e.strerror}): nothing was run") from e
    return path


def now() -> str:
    """Return the time as records have it."""
    return datetime.now().isoformat(timespec="seconds")


def _made_by() -> dict[str, str]:
    return {
        "host": platform.node(),
        "made_by": f"espnet-cbpc {__version__}, ESPnet {version('espnet')}",
    }
