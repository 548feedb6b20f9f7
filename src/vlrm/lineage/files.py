"""Nothing half-written: write under a temporary name, then rename; link or copy finished files."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success it takes the place of ``path``, on an error it goes.

    Works for files and folders. A file is replaced in one step. A folder cannot be: the old one is moved aside first,
    so a kill in between leaves no folder, never half a folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("new", "old"))
    _remove(new)
    try:
        yield new
        if path.is_dir():
            _remove(old)
            path.rename(old)
        os.replace(new, path)
    finally:
        _remove(new)
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Indented, sorted JSON: equal values give equal bytes."""
    with replacing(path) as new:
        new.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def duplicate(source: Path, target: Path) -> None:
    """Make ``target`` the same as ``source`` by hard links where the disk allows, else by copies.

    Links are safe because every writer here replaces files instead of changing them.
    """
    with replacing(target) as new:
        if source.is_dir():
            shutil.copytree(source, new, copy_function=_link_or_copy)
        else:
            _link_or_copy(str(source), str(new))


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
