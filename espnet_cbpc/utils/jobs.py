# SPDX-License-Identifier: Apache-2.0
"""Run commands as SLURM or local jobs through submitit, and wait for them.

submitit starts a job again that was preempted or has reached its time limit: training then resumes
from the last checkpoint. It learns of the end of jobs from SLURM's accounting, which many small
clusters do without; here the queue is asked instead.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra

RESULT_SECONDS = 1.0  # between two looks for results
QUEUE_SECONDS = 10.0  # between two looks at the queue
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # each cancels the jobs
DIED = -1  # status of a job that ended without telling one


@dataclass(frozen=True)
class Resources:
    """What each job is given.

    Attributes:
        executor: ``slurm``, or ``local`` for this machine (which knows no limits).
        threads: CPUs of a task, and its ``OMP_NUM_THREADS``.
        gpus: GPUs of a node.
        nodes: machines; the command is started once on each.
        minutes: time limit; a job that reaches it is started again.
        restarts: how often at most.
        max_jobs_run: jobs of an array that run at a time.
        sbatch: further options of sbatch by name, such as ``partition`` or ``mem``.
    """

    executor: str = "slurm"
    threads: int = 1
    gpus: int = 0
    nodes: int = 1
    minutes: int = 24 * 60
    restarts: int = 10
    max_jobs_run: int = 256
    sbatch: dict[str, str] = field(default_factory=dict)


@dataclass
class Command:
    """What submitit calls in the job: runs a command, whose output goes to a log."""

    words: list[str]
    log: Path
    threads: int

    def __call__(self) -> int:
        """Return the status of the command, 128 and more for one that a signal has ended."""
        with open(self.log, "a", encoding="utf-8") as log:
            try:
                process = subprocess.Popen(
                    self.words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "OMP_NUM_THREADS": str(self.threads)},
                    preexec_fn=_in_own_group,
                )
            except OSError as e:
                print(f"error: {self.words[0]}: {e.strerror}", file=log)
                return 127
            try:
                status = process.wait()
            except BaseException:  # cancelled, or to be started again: nothing may continue
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return status if status >= 0 else 128 - status

    def checkpoint(self) -> Any:
        """Tell submitit how the job continues when restarted: from its start."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _in_own_group() -> None:
    # SLURM announces the time limit to all processes of a job; it is submitit that acts on it.
    os.setpgid(0, 0)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def run_jobs(commands: Sequence[Command], resources: Resources, folder: Path) -> list[int]:
    """Run commands as jobs and wait for them; whatever interrupts this process cancels them.

    Args:
        commands: one for each job; more than one make an array.
        resources: of each job.
        folder: for submitit's files, on a file system that all machines share; gone afterwards if
            all jobs succeed.

    Returns:
        The status of each command, ``DIED`` of a job that ended without one (out of memory,
        cancelled, machine lost).

    Raises:
        UserError: submitit or SLURM is missing, or does not accept the job.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for command in commands:
        command.log.parent.mkdir(parents=True, exist_ok=True)
        command.log.write_text(f"# {shlex.join(command.words)}\n", encoding="utf-8")
    with _interruptible():
        jobs = _submit(commands, resources, folder)
        try:
            statuses = _wait(jobs, resources.executor, folder)
        except BaseException:
            for number in INTERRUPTS:  # a second one, or one to the group, must not stop scancel
                signal.signal(number, signal.SIG_IGN)
            for job in jobs:
                job.cancel(check=False)
            raise
    if not any(statuses):
        shutil.rmtree(folder, ignore_errors=True)
    return statuses


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make each of ``INTERRUPTS`` a KeyboardInterrupt, also where a shell had SIGINT ignored."""
    before = {n: signal.signal(n, signal.default_int_handler) for n in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _submit(commands: Sequence[Command], resources: Resources, folder: Path) -> list[Any]:
    with needs_extra("submitting jobs", "slurm"):
        import submitit
    name = resources.executor
    try:
        executor = submitit.AutoExecutor(
            folder, cluster=name, **{f"{name}_max_num_timeout": resources.restarts}
        )
        executor.update_parameters(
            name=folder.name.strip("."),
            timeout_min=resources.minutes,
            nodes=resources.nodes,
            tasks_per_node=1,
            cpus_per_task=resources.threads,
            gpus_per_node=resources.gpus or None,
            slurm_array_parallelism=resources.max_jobs_run,
            slurm_additional_parameters=resources.sbatch,
            # srun does not take this over from sbatch since SLURM 22.05
            slurm_srun_args=[f"--cpus-per-task={resources.threads}"],
        )
        return executor.submit_array(list(commands))
    except (RuntimeError, ValueError, submitit.core.utils.FailedSubmissionError) as e:
        raise UserError(f"{name} does not accept the job: {e}") from e


def _wait(jobs: Sequence[Any], executor: str, folder: Path) -> list[int]:
    statuses: dict[int, int] = {}
    missed: set[int] = set()  # not in the queue when it was last looked at
    looked = time.monotonic()
    while len(statuses) < len(jobs):
        time.sleep(RESULT_SECONDS)
        there = set(os.listdir(folder))  # asks a network file system again, unlike exists()
        for number, job in enumerate(jobs):
            if number not in statuses and _results(job) <= there:
                statuses[number] = _status(job)
        if time.monotonic() - looked < QUEUE_SECONDS:
            continue
        looked = time.monotonic()
        queue = _queue(jobs, executor)
        if queue is not None:
            gone = {n for n, job in enumerate(jobs) if job.job_id not in queue} - statuses.keys()
            statuses.update(dict.fromkeys(gone & missed, DIED))  # its result had time to appear
            missed = gone
    return [statuses[number] for number in range(len(jobs))]


def _results(job: Any) -> set[str]:
    """Return the names of the files that a job leaves, one for each machine."""
    return {job.task(k).paths.result_pickle.name for k in range(job.num_tasks)}


def _status(job: Any) -> int:
    if job.exception() is not None:  # stopped by submitit
        return DIED
    return max(job.results())


def _queue(jobs: Sequence[Any], executor: str) -> Optional[set[str]]:
    """Return the ids of the jobs that wait or run; None if that cannot be determined now."""
    if executor != "slurm":
        return {job.job_id for job in jobs if not job.done()}
    asked = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"],
        capture_output=True,
        text=True,
    )
    return set(asked.stdout.split()) if asked.returncode == 0 else None
