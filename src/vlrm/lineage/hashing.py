"""Content hashes of files, folders and parameter values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_seen: dict[tuple[str, int, int, int], str] = {}
"""(path, size, mtime in ns, inode) -> sha256, so that one run reads an unchanged file once."""


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    stat = path.stat()
    stamp = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if stamp not in _seen:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        _seen[stamp] = digest.hexdigest()
    return _seen[stamp]


def hash_path(path: Path) -> str | None:
    """SHA-256 of a file, or of a folder's sorted (relative path, file hash) list; None when nothing is
    there. A file of a folder that may not be read counts as such."""
    if path.is_file():
        return hash_file(path)
    if not path.is_dir():
        return None
    digest = hashlib.sha256(b"folder\n")
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        try:
            content = hash_file(file)
        except PermissionError:
            content = "unreadable"
        # a file's name is bytes, which need not be UTF-8
        digest.update(f"{file.relative_to(path).as_posix()}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """A parameter value as JSON data: pydantic models, dataclasses, paths, tuples and sets become dicts,
    text, lists."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=canonical)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value


def canonical(value: Any) -> str:
    """One text for equal JSON data."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_json(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one level with dotted names: ``{"a": {"b": 1}}`` is ``{"a.b": 1}``."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat.update(flatten(item, f"{prefix}.{key}" if prefix else str(key)))
    return flat
