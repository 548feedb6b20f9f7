"""How much memory a run takes, its whole process tree sampled while it works, and what its allocator keeps."""

from __future__ import annotations

import ctypes
import gc
import re
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERY = 0.5
_STATUS = Path("/proc/self/status")
_PROPORTIONAL = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST_KEPT = 2**28
_peak = 0


@contextmanager
def watching(every: float = _EVERY) -> Iterator[None]:
    """Watch this process and all its descendants for the time of the block; :func:`peak_mb` tells the most so far."""
    global _peak  # noqa: PLW0603
    _peak = 0
    done = threading.Event()

    def sample() -> None:
        while not done.wait(every):
            _look()

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def keep_freed() -> None:
    """Let the allocator keep what a stage frees for what the stage takes next, until :func:`give_back`.

    By default glibc maps every tensor of some size anew, and the kernel clears its pages each time. Blocks of more than
    ``LARGEST_KEPT`` bytes are mapped still: a gap that one of them leaves would be hard to fill.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """Return to the system what has been freed: the allocator would keep it, beside what the next stage takes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def peak_mb() -> float:
    """The most memory the tree was seen to hold at one time, in MiB.

    Between two samples only this process is certain (the kernel keeps its high-water mark); a child that lives shorter
    than half a second can be missed.
    """
    _look()
    return round(max(_peak, _own_peak()) / 2**20, 1)


def _look() -> None:
    global _peak  # noqa: PLW0603
    _peak = max(_peak, tree_bytes())


def tree_bytes(process: int | None = None) -> int:
    """Bytes of memory that a process (this one by default) and all its descendants hold now.

    Pages that forked workers share with the process that started them count once (the kernel's proportional set size);
    where the system does not tell, resident pages are summed, which counts them for each: never too low.

    :raises psutil.NoSuchProcess: when there is no such process any more.
    """
    root = psutil.Process(process)
    return sum(_bytes(one) for one in (root, *root.children(recursive=True)))


def _bytes(process: psutil.Process) -> int:
    try:
        try:
            found = _PROPORTIONAL.search(Path(f"/proc/{process.pid}/smaps_rollup").read_text())
        except OSError:
            found = None
        return int(found[1]) * 1024 if found else int(process.memory_info().rss)
    except psutil.Error:  # it ended while we looked, or is another user's
        return 0


def _own_peak() -> int:
    """Bytes of this program's own high-water mark; 0 where the system does not tell.

    ``ru_maxrss`` would not do: it remembers the program that started this one.
    """
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
