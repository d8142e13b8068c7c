# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: time, memory, the machine, and a table."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Callable

import torch

MIB = 1024 * 1024


def seconds(function: Callable[[], None], device: str = "cpu", repeats: int = 5) -> float:
    """Return the median time of calls of ``function``, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        function()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def wait(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def peak_bytes(function: Callable[[], None], device: str = "cpu") -> int:
    """Return by how many bytes a call of ``function`` raises the memory in use, at its peak."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far
    before = resident("VmRSS")
    function()
    return resident("VmHWM") - before


def resident(key: str = "VmHWM") -> int:
    """Return this process's resident size (VmRSS) or its peak (VmHWM) in bytes; Linux only."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE).group(1))


def in_own_process(script: str, *arguments: str, **environment: str) -> dict:
    """Run a script that prints one JSON object on its last line, and return that."""
    done = subprocess.run(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout.splitlines()[-1])


def processor_seconds() -> float:
    """Return how many seconds of processors the ended child processes have taken so far."""
    times = os.times()
    return times.children_user + times.children_system


def use_huge_pages() -> None:
    """Start this process anew such that glibc asks for huge pages, where that is not so yet.

    Arrays of 100 MiB that come and go at every step would else cost more in page faults than some
    of the computation does.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        environment = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def machine(device: str) -> str:
    """Say what was measured on."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    return (
        f"{date.today()}, {name}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )


def table(heads: Sequence[str], rows: list[Sequence[str]]) -> str:
    """Return a Markdown table, the first column left-aligned."""
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
