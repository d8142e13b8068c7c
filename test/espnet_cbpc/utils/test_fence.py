# SPDX-License-Identifier: Apache-2.0
"""Crashes of native code behind the fence."""

import os
import signal

import pytest

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.fence import Crashed, Fence
from espnet_cbpc.utils.parallel import parallel_map

FENCE = Fence()


def end(by):
    os.kill(os.getpid(), by)


def divide(a, b):
    return a / b


def test_the_process_stays_for_the_next_call():
    fence = Fence()
    first = fence(os.getpid)
    assert first != os.getpid() and fence(os.getpid) == first
    with pytest.raises(ZeroDivisionError):
        fence(divide, 1, 0)
    assert fence(os.getpid) == first and fence(divide, 1, 2) == 0.5


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_is_an_exception_and_the_next_call_works(by):
    fence = Fence()
    first = fence(os.getpid)
    with pytest.raises(Crashed, match=by.name):
        fence(end, by)
    assert fence(os.getpid) not in (first, os.getpid())


def test_an_exit_is_a_crash_too():
    with pytest.raises(Crashed, match="status 3"):
        Fence()(os._exit, 3)


def test_a_process_killed_from_outside_stops_the_step():
    with pytest.raises(UserError, match=r"a process was killed \(memory\?\): lower --nj"):
        Fence()(end, signal.SIGKILL)


def shared(number):
    return os.getpid(), FENCE(os.getpid), FENCE(divide, number, 1)


def test_every_process_has_a_fence_of_its_own():
    FENCE(os.getpid)  # begun before the others are forked
    found = list(parallel_map(shared, range(8), 8, 2, "fences", chunk=1))
    assert [value for _, _, value in found] == list(range(8))
    behind = {}
    for caller, process, _ in found:
        behind.setdefault(caller, set()).add(process)
    assert all(len(processes) == 1 for processes in behind.values())
    assert len(set.union(*behind.values())) == len(behind)
