"""Runs stages in processes of their own, so that those that do not wait for each other run side by side."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Self, cast

from vlrm import progress
from vlrm.errors import UserError
from vlrm.telling import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

SUPPORTED = sys.platform == "linux"
"""Elsewhere a forked process is not safe (macOS), or there is none (Windows)."""
_PR_SET_PDEATHSIG = 1


class Workers:
    """``count`` processes forked from this one, which do by name what ``execute`` does.

    They inherit all that this process holds, so nothing is sent but names, what stages say and how they end. Make them
    before anything in this process computes: threads do not survive a fork. They die with this process, however it
    ends.
    """

    def __init__(self, count: int, execute: Callable[[str], object]) -> None:
        fork = multiprocessing.get_context("fork")
        self._idle: list[Connection] = []
        self._at_work: dict[Connection, str] = {}
        self._processes: list[BaseProcess] = []
        for number in range(count):
            ours, theirs = fork.Pipe()
            process = fork.Process(target=_serve, args=(theirs, execute, os.getpid(), count), name=f"worker {number}")
            process.start()
            theirs.close()
            self._processes.append(process)
            self._idle.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    @property
    def idle(self) -> int:
        return len(self._idle)

    def start(self, name: str) -> None:
        """Give ``name`` to an idle worker."""
        # The one that came back last: it holds what the last stage loaded.
        worker = self._idle.pop()
        try:
            worker.send(name)
        except OSError as error:
            raise _killed(name) from error
        self._at_work[worker] = name

    def next_done(self, says: Callable[[str, str], None]) -> str:
        """Wait until one of the names at work is done; ``says`` hears (name, text) of all of them meanwhile.

        Raises:
            Exception: what the stage raised.
            UserError: its process was killed, as the system does where memory runs out.
        """
        while True:
            for worker in cast("list[Connection]", wait(list(self._at_work))):
                name = self._at_work[worker]
                try:
                    kind, content = worker.recv()
                except (EOFError, OSError) as error:
                    raise _killed(name) from error
                if kind == "says":
                    says(name, content)
                    continue
                del self._at_work[worker]
                self._idle.append(worker)
                if kind == "failed":
                    raise pickle.loads(content)  # noqa: S301 - written by our own child
                return name


def _killed(name: str) -> UserError:
    return UserError(
        f"the process that did {name} was killed, as the system does where memory runs out: free memory, or do one "
        "stage at a time with --params workers=1."
    )


def _serve(pipe: Connection, execute: Callable[[str], object], parent: int, count: int) -> None:
    _die_with(parent)
    # Ctrl-C reaches every process of the terminal: the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _share_threads(count)
    while True:
        try:
            name = pipe.recv()
        except EOFError:
            return
        try:
            with progress.listening(lambda text: pipe.send(("says", text))):
                execute(name)
            pipe.send(("done", None))
        except Exception as error:
            pipe.send(("failed", _packed(error)))


def _share_threads(count: int) -> None:
    """Leave this process its share of the threads that one process would use."""
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1) // count)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if (torch := sys.modules.get("torch")) is not None:  # it has read the variable when it was imported
        torch.set_num_threads(threads)


def _packed(error: Exception) -> bytes:
    """The error as it was raised where it can be sent, else its words; with where it was raised, for developers.

    Pickling drops what an error was raised from, so what a user can fix is sent as its sentence.
    """
    if not isinstance(error, UserError) and (told := sentence(error)):
        error = UserError(told)
    if not isinstance(error, UserError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        content = pickle.dumps(error)
        pickle.loads(content)  # noqa: S301 - an error whose arguments do not rebuild it fails here, not there
    except Exception:
        content = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}"))
    return content


def _die_with(parent: int) -> None:
    """Let the system kill this process when ``parent`` ends: what it writes would meet what the next run writes."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)
