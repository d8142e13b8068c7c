# SPDX-License-Identifier: Apache-2.0
"""The jobs of steps: local processes that have already imported ESPnet, or cluster jobs.

On this machine one server process imports what jobs need, and every job is forked from it. With
``train_cmd`` of cmd.sh jobs go through that command, as those of ESPnet's recipes do.
"""

import contextlib
import io
import logging
import multiprocessing
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import Optional

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.parallel import end_with_parent, limit_threads

# Imported once; each is slow, and harmless to fork after: none starts threads or touches a GPU.
PRELOADED = ["espnet_cbpc.bin", "espnet_cbpc.tasks.enh_asr_cbpc", "espnet_cbpc.tasks.enh"]
PRELOADED += ["espnet_cbpc.inference.enh_speech2text", "espnet_cbpc.bin.score_enh"]
LOOK_SECONDS = 0.3  # between two looks at a log
_starting = threading.Lock()
# Large batches come and go: without these, glibc gives their memory back at each step.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "2147483648", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
ENVIRONMENT["PYTHONUNBUFFERED"] = "1"
PROGRESS = (  # of a log, what tells the progress: ESPnet's epochs and our progress bars
    (re.compile(r"INFO: (\d+/\d+)epoch started\.? ?(.*)$"), r"epoch \1 started. \2"),
    (re.compile(r"INFO: (The best model has been updated.*)$"), r"\1"),
    (re.compile(r"\d (?:INFO|WARNING): (Niter.*)$"), r"\1"),
    (re.compile(r"^(.*\d+%\|.*\d+/\d+.*)$"), r"\1"),
)


@dataclass(frozen=True)
class Job:
    """A command ``python -m MODULE ARGUMENT...``.

    Attributes:
        module: that is run.
        arguments: its command line.
        log: file that its output is added to.
        ngpu: GPUs that it uses.
    """

    module: str
    arguments: Sequence[str]
    log: Path
    ngpu: int = 0

    def numbered(self, number: int) -> "Job":
        """Return the job of that number of an array."""
        arguments = [word.replace("JOB", str(number)) for word in self.arguments]
        log = Path(str(self.log).replace("JOB", str(number)))
        return replace(self, arguments=arguments, log=log)

    @property
    def words(self) -> list[str]:
        """Return the command line of a process of its own."""
        return [sys.executable, "-m", self.module, *self.arguments]


@dataclass(frozen=True)
class Jobs:
    """Where jobs run, and with what.

    Attributes:
        train_cmd: words of the command that submits jobs; none: on this machine.
        threads: of one job.
        gpu: the one GPU that a job with one GPU is to take; None: as ESPnet does.
        lock: file descriptor that processes of this machine hold open while they work for a
            cluster's job.
        running: the running processes.
    """

    train_cmd: Sequence[str] = ()
    threads: int = 1
    gpu: Optional[str] = None
    lock: Optional[int] = None
    running: set["_Process"] = field(default_factory=set)

    def of_slot(self, slot: int, slots: int) -> "Jobs":
        """Return what one of several slots has: its share of the threads, and a GPU in turn."""
        gpus = usable_gpus()
        gpu = gpus[slot % len(gpus)] if len(gpus) > 1 and not self.train_cmd else None
        return replace(self, threads=max(1, self.threads // slots), gpu=gpu)

    def holding(self, lock: Optional[int]) -> "Jobs":
        """Return the same for work that holds a lock."""
        return replace(self, lock=lock)

    def run(self, job: Job) -> None:
        """Run a job to its end.

        Raises:
            UserError: it failed; with the errors that its log tells.
        """
        logging.info("  log: %s", job.log)
        self._run([_Cluster(job, self) if self.train_cmd else _Forked(job, self)])

    def run_array(self, job: Job, count: int) -> None:
        """Run a job ``count`` times at once, the word JOB in it numbered from 1.

        Raises:
            UserError: one failed.
        """
        logging.info("  %d jobs; logs: %s", count, job.log)
        if self.train_cmd:
            return self._run([_Cluster(job, self, count)])
        share = self.of_slot(0, count)
        return self._run([_Forked(job.numbered(number), share) for number in range(1, count + 1)])

    def _run(self, started: Sequence["_Process"]) -> None:
        self.running.update(started)
        try:
            while not all(process.look() for process in started):  # each shows its progress
                pass
        finally:
            for process in started:
                process.stop()
            self.running.difference_update(started)
        failed = [process for process in started if process.status]
        if failed:
            raise UserError(failed[0].error())

    def stop(self) -> None:
        """End all jobs of this machine."""
        for process in list(self.running):
            process.stop()


class _Process:
    """A job that runs, and what its log tells meanwhile."""

    def __init__(self, job: Job):
        job.log.parent.mkdir(parents=True, exist_ok=True)
        self.job = job
        self.status: Optional[int] = None
        self.begin = job.log.stat().st_size if job.log.exists() else 0
        self._seen = self.begin

    def look(self) -> bool:
        """Show progress; return whether the job has ended."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it, if it still runs."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the progress that has been logged since the last time."""
        try:
            with open(self.job.log, "rb") as f:
                f.seek(self._seen)
                new = f.read()
        except FileNotFoundError:
            return
        whole = max(new.rfind(b"\n"), new.rfind(b"\r")) + 1
        self._seen += whole
        for line in re.split(r"[\r\n]+", new[:whole].decode(errors="replace")):
            told = progress_of(line)
            if told:
                print(f"  {self.job.log.parent.name}: {told}", file=sys.stderr)

    def error(self) -> str:
        """Return what is known of a failure."""
        with open(self.job.log, "rb") as f:
            f.seek(self.begin)
            lines = f.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.startswith("error: ")] or lines[-15:]
        return "\n".join([*told, f"a job failed; its log: {self.job.log}"]).replace(
            "error: ", "", 1
        )


class _Forked(_Process):
    """A job as a process of this machine."""

    def __init__(self, job: Job, jobs: Jobs):
        super().__init__(job)
        environment = {**ENVIRONMENT, **os.environ}
        if jobs.gpu is not None and job.ngpu == 1:
            environment["CUDA_VISIBLE_DEVICES"] = jobs.gpu
        with _starting:
            self.process = _server().Process(
                target=_work, args=(job, os.getcwd(), environment, jobs.threads)
            )
            self.process.start()

    def look(self) -> bool:
        """Show progress; return whether the job has ended."""
        if self.status is None:
            wait([self.process.sentinel], LOOK_SECONDS)
            self.show()
            self.status = self.process.exitcode
        return self.status is not None

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


class _Cluster(_Process):
    """A job that is submitted, and waited for."""

    def __init__(self, job: Job, jobs: Jobs, count: int = 0):
        first = job.numbered(1) if count else job
        if first.log.exists():  # the submitter begins a new one
            os.rename(first.log, f"{first.log}.{time.strftime('%Y-%m-%dT%H-%M-%S')}")
        super().__init__(first)
        gpu = ["--gpu", str(job.ngpu)] if job.ngpu else []
        array = [f"JOB=1:{count}"] if count else []
        self._submitter = jobs.train_cmd[:1]
        self.process = subprocess.Popen(
            [*jobs.train_cmd, *gpu, *array, str(job.log), *job.words],
            stdin=subprocess.DEVNULL,
            env={**ENVIRONMENT, **os.environ},
            pass_fds=() if jobs.lock is None else (jobs.lock,),
        )

    def look(self) -> bool:
        """Show progress; return whether the job has ended."""
        if self.status is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.status = self.process.wait(LOOK_SECONDS)
            self.show()
        return self.status is not None

    def stop(self) -> None:
        """End it, if it still runs: the submitter cancels the job."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def error(self) -> str:
        """Return what is known of a failure."""
        if not self.job.log.exists():
            return f"{shlex.join(self._submitter)}: the job was not started (see cmd.sh)"
        return super().error()


def progress_of(line: str) -> str:
    """Return what a line of a log tells of the progress, '' for nothing."""
    for pattern, form in PROGRESS:
        found = pattern.search(line)
        if found:
            return found.expand(form).strip()
    return ""


def _server() -> multiprocessing.context.ForkServerContext:
    """Return the context whose processes are forked from a server that has imported ESPnet."""
    context = multiprocessing.get_context("forkserver")
    for name, value in ENVIRONMENT.items():  # glibc looks at them as the server starts
        os.environ.setdefault(name, value)
    context.set_forkserver_preload(PRELOADED)
    return context


def _work(job: Job, folder: str, environment: dict[str, str], threads: int) -> None:
    """Be the process of a job."""
    end_with_parent()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    print(f"# {time.strftime('%Y-%m-%dT%H:%M:%S')} {shlex.join(job.words)}")
    limit_threads(threads)
    sys.argv[1:] = job.arguments
    sys.modules.pop(job.module, None)  # else runpy warns of one that has been imported
    runpy.run_module(job.module, run_name="__main__", alter_sys=True)


def usable_gpus() -> list[str]:
    """Return the GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [word for word in named.split(",") if word]
    return [str(number) for number in range(_installed_gpus())]


@lru_cache(maxsize=1)
def _installed_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return len(listed.stdout.splitlines())
