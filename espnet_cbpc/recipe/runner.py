# SPDX-License-Identifier: Apache-2.0
"""Run the stages of a recipe, or show what would run or what is done."""

import itertools
import logging
import os
import queue
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Union, get_args

from espnet_cbpc.recipe.adoption import check_version_0_1
from espnet_cbpc.recipe.inputs import Digests, Input, Missing
from espnet_cbpc.recipe.jobs import Jobs
from espnet_cbpc.recipe.ledger import Ledger, State, Status
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stage_names import LANGUAGE_MODEL, STAGES, TRAINING
from espnet_cbpc.recipe.stages import Chain, all_steps, chains
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError, listed

ASR, ENH, JOINT, INFERENCE = 9, 10, 13, 14


class Runner:
    """Runs a recipe.

    Args:
        recipe: which one; its folder is the working directory.
    """

    def __init__(self, recipe: Recipe):
        self.recipe, self.options = recipe, recipe.options
        self.digests = Digests(recipe.layout.expdir / ".steps" / "digests.json")
        self.ledger = Ledger(self.digests)
        train_cmd = shlex.split(os.environ.get("train_cmd", ""))  # noqa: SIM112 (Kaldi's name)
        if self.options.num_nodes > 1 and not train_cmd:
            raise UserError(f"--num_nodes {self.options.num_nodes} needs a train_cmd in cmd.sh")
        self.jobs = Jobs(train_cmd, recipe.threads)
        self.ran: list[str] = []
        self.skipped: list[str] = []
        self._failed = threading.Event()

    def stages(self) -> list[int]:
        """Return the numbers of the stages that are asked for."""
        o = self.options
        numbers = range(o.stage, min(o.stop_stage, len(STAGES)) + 1)
        left_out = {*(TRAINING if o.skip_train else ()), *(() if o.use_lm else LANGUAGE_MODEL)}
        return [number for number in numbers if number not in left_out]

    def run(self) -> None:
        """Run all stages.

        Raises:
            UserError: something that the user can put right, or a job failed.
        """
        check_version_0_1(self.recipe, self.ledger)
        begin, numbers = time.monotonic(), self.stages()
        while numbers:
            number = numbers.pop(0)
            logging.info("=== stage %d: %s", number, STAGES[number - 1].title)
            found, slots = chains(self.recipe, number), self._slots(number)
            if number == ASR and slots > 1 and numbers[:1] == [ENH]:
                logging.info("=== stage %d: %s, at the same time", ENH, STAGES[ENH - 1].title)
                found += chains(self.recipe, numbers.pop(0))
            self.skipped.clear()
            self._run_chains(found, min(slots, len(found)))
            if self.skipped:
                logging.info("already done, skipped: %s", listed(self.skipped))
        took = f"{time.monotonic() - begin:.0f} seconds"
        logging.info("finished; %s", took if self.ran else f"all done already; {took}")

    def _slots(self, number: int) -> int:
        o = self.options
        by_stage = {ASR: o.train_nj, ENH: o.train_nj, JOINT: o.train_nj, INFERENCE: o.inference_nj}
        return by_stage.get(number, 1)

    def _run_chains(self, found: Sequence[Chain], slots: int) -> None:
        if slots <= 1:
            for chain in found:
                self._run_chain(chain, self.jobs)
            return
        free: queue.Queue[int] = queue.PriorityQueue()
        for slot in range(slots):
            free.put(slot)

        def run(chain: Chain) -> None:
            slot = free.get()
            try:
                self._run_chain(chain, self.jobs.of_slot(slot, slots))
            except BaseException:
                self._failed.set()  # what runs beside comes to its end, and nothing more begins
                raise
            finally:
                free.put(slot)

        with ThreadPoolExecutor(slots) as pool:
            started = [pool.submit(run, chain) for chain in found]
            try:
                for future in started:
                    future.result()
            except BaseException as e:
                if not isinstance(e, UserError):  # interrupted
                    self._failed.set()
                    self.jobs.stop()
                raise

    def _run_chain(self, chain: Chain, jobs: Jobs) -> None:
        for _, batch in itertools.groupby(chain, lambda step: step.batch or step):
            if self._failed.is_set():
                return
            self._run_batch(list(batch), jobs)

    def _run_batch(self, batch: Sequence[Step], jobs: Jobs) -> None:
        with ExitStack() as held:
            todo, lock = [], None
            for step in batch:
                lock = held.enter_context(self.ledger.lock(step))
                if self._begin(step):
                    todo.append(step)
            if todo:
                todo[0].run(jobs.holding(lock), todo)
            for step in todo:
                self.ledger.finish(step)
                self.ran.append(step.name)
                logging.info("%s: done", self._title(step))
            self.digests.save()

    def _begin(self, step: Step) -> bool:
        """Make room for a step; returns whether there is something to do."""
        try:
            status = self.ledger.status(step)
        except Missing as e:
            raise UserError(f"{step.name} cannot run: {e}: {self._remedy(e.path)}") from e
        if status.state is State.DONE:
            self.skipped.append(self._title(step))
            return False
        self._check_keep(step, status)
        if status.state is State.INTERRUPTED:
            logging.info("%s: interrupted or incomplete, resuming", self._title(step))
        status = self.ledger.begin(step, status)
        if status.state is State.DONE:
            logging.info("%s: done before with the same inputs, restored", self._title(step))
        return status.state is not State.DONE

    def _check_keep(self, step: Step, status: Status) -> None:
        finished = step.is_training and status.record.get("state") == "done"
        if self.options.keep and finished and status.state is State.CHANGED and not status.kept:
            raise UserError(
                f"{step.name} is fully trained, and would be replaced because of "
                f"{status.why}: --keep forbids that; leave it out, undo the "
                "change, or give the new model another name or --expdir"
            )

    def _remedy(self, path: Path) -> str:
        for number, step in all_steps(self.recipe):
            if any(out == path or out in path.parents for out in step.outputs):
                return f"stage {number} ({STAGES[number - 1].name}) makes it ({step.name})"
        return "put it there, or name another"

    def _title(self, step: Step) -> str:
        """Return a step's name, with the folder that tells it from others of this name."""
        nested = self.recipe.layout.expdir in step.home.parents
        return f"{step.name} of {step.home}" if nested else step.name

    def dry_run(self) -> Iterator[str]:
        """Yield what would be done: what has a reason of its own, and what follows from that."""
        check_version_0_1(self.recipe, None)
        asked, done = self.stages(), 0
        pending: dict[Path, str] = {}  # names of steps that would run or might, by what they make
        follows: dict[tuple[int, str], tuple[list[str], list[str]]] = {}
        for number, step in all_steps(self.recipe):
            if number not in asked:
                continue
            form, why = self._foreseen(step, pending)
            if not form:
                done += 1
                continue
            pending.update(dict.fromkeys(step.outputs, self._title(step)))
            if isinstance(why, str):
                yield form.format(f"stage {number}, {self._title(step)}", why)
            else:
                names, causes = follows.setdefault((number, form), ([], []))
                names.append(self._title(step))
                causes += [cause for cause in why if cause not in causes]
        for (number, form), (names, causes) in follows.items():
            yield form.format(f"stage {number}, {listed(names, 3)}", listed(causes, 3))
        self.digests.save()
        yield f"{done} of the steps of these stages are done, {len(set(pending.values()))} are not"

    def _foreseen(
        self, step: Step, pending: Mapping[Path, str]
    ) -> tuple[str, Union[str, list[str]]]:
        """Return a form for what would become of a step, '' where it is done, and the reason.

        The reason is a list of steps where it follows from what they make.
        """
        read = (p for path in _paths(step) for p in (path, *path.parents))
        causes = list(dict.fromkeys(pending[path] for path in read if path in pending))
        try:
            status = self.ledger.status(step)
        except Missing as e:
            if causes:
                return "would run: {}, after {}", causes
            return "cannot run: {}: {}", f"{e}: {self._remedy(e.path)}"
        if status.kept is not None:
            return "would move back: {}, from {}", str(status.kept)
        if status.state is State.DONE:
            return ("would run: {}, if {} changes its output" if causes else ""), causes
        changed = status.state is State.CHANGED
        return "would run: {}: {}", status.why if changed else status.state.value

    def status(self) -> Iterator[str]:
        """Yield the state of each step, since when, and its log."""
        check_version_0_1(self.recipe, None)
        asked = self.stages()
        for number, step in all_steps(self.recipe):
            if number in asked:
                yield self._told(step)
        self.digests.save()

    def _told(self, step: Step) -> str:
        record, running = self.ledger.record(step), self.ledger.is_running(step)
        try:
            state = self.ledger.status(step).state
        except Missing:
            state = State.CHANGED if record else State.NEW
        word = f"running ({running})" if running else state.value
        since = record.get("ended" if record.get("state") == "done" else "began", "")
        log = step.log if step.log and step.log.exists() else ""
        return f"{word:<16} {since:<20} {self._title(step)} {log}".rstrip()


def _paths(step: Step) -> Iterator[Path]:
    for value in step.inputs.values():
        if isinstance(value, get_args(Input)):
            with suppress(Missing):
                yield from value.paths()
