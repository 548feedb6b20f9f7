"""Progress of long work: stages say where they are, whoever runs them decides how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str], None]
_EVERY = 0.5
_listener: Listener | None = None


def say(text: str) -> None:
    """Tell whoever listens where the present stage is, such as "step 40 of 200, loss 0.31"."""
    if _listener is not None:
        _listener(text)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` through, saying "``what`` 40 of 200" at most twice a second."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    said = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said >= _EVERY:
            said = time.monotonic()
            say(f"{what} {count}" + (f" of {total}" if total is not None else ""))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send what stages say to ``listener`` for the time of the block."""
    global _listener  # noqa: PLW0603
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
