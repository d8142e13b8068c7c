# SPDX-License-Identifier: Apache-2.0
"""Native code that may crash, run in a process of its own, which is restarted after a crash."""

import faulthandler
import multiprocessing
import os
import resource
import signal
from multiprocessing.connection import Connection
from typing import Any, Callable, Optional

from espnet_cbpc.utils.cli import UserError


class Crashed(Exception):
    """The process that did the work ended by a signal."""


class Fence:
    """Calls functions in a forked process that stays for the next call.

    Each process that calls has one of its own, which ends with it.
    """

    def __init__(self) -> None:
        self._owner: Optional[int] = None

    def __call__(self, work: Callable, *arguments: Any) -> Any:
        """Return ``work(*arguments)``; all of it must be picklable.

        Raises:
            Crashed: the process crashed; the next call begins another.
            UserError: it was killed from outside, as for want of memory.
            Exception: what ``work`` raises.
        """
        if self._owner != os.getpid():
            self._begin()
        try:
            self._connection.send((work, arguments))
            is_result, outcome = self._connection.recv()
        except (EOFError, ConnectionError) as e:
            self._owner = None
            self._process.join()
            code = self._process.exitcode
            assert code is not None  # it was waited for
            if code == -signal.SIGKILL:
                raise UserError("a process was killed (memory?): lower --nj") from e
            raise Crashed(signal.Signals(-code).name if code < 0 else f"status {code}") from e
        if not is_result:
            raise outcome
        return outcome

    def _begin(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(theirs, self._connection), daemon=True)
        self._process.start()
        theirs.close()
        self._owner = os.getpid()


def _serve(connection: Connection, caller: Connection) -> None:
    caller.close()  # so that its end is seen
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller's to handle
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            work, arguments = connection.recv()
        except EOFError:
            return
        try:
            outcome = True, work(*arguments)
        except Exception as e:
            outcome = False, e
        connection.send(outcome)
