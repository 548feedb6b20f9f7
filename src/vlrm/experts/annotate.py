"""Runs the experts over images, each distinct one once: cached by content and fingerprints, safe to kill."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from vlrm.errors import UserError
from vlrm.images import open_image
from vlrm.schema import EVIDENCE, Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.experts.base import Expert

T = TypeVar("T")
ROWS_PER_CHUNK = 8192
_SHARED = ("evidence_id", "kind", "label", "box", "score", "expert", "fingerprint", "target")


def run_experts(
    experts: Sequence[Expert], images: Sequence[Image.Image], found: Sequence[list[Evidence]] | None = None
) -> list[list[Evidence]]:
    """All evidence per image: every expert sees what the experts before it found, at first ``found``."""
    found = [[] for _ in images] if found is None else list(found)
    for expert in experts:
        added = expert.annotate(images, found)
        found = [before + new for before, new in zip(found, added, strict=True)]
        _check_ids(expert, found)
    return found


def look(
    experts: Sequence[Expert], known: EvidenceCache, names: Mapping[str, T], opened: Callable[[T], Image.Image]
) -> dict[str, list[Evidence]]:
    """All evidence about images that ``known`` has not from these experts; the first that once looked do not again.

    ``names``: by the name that ``known`` has of an image, what ``opened`` takes.
    """
    begun = {name: known.begun(name) for name in names}
    found: dict[str, list[Evidence]] = {}
    for count in sorted({count for count, _ in begun.values()}):
        some = [name for name in names if begun[name][0] == count]
        rows = run_experts(experts[count:], [opened(names[name]) for name in some], [begun[name][1] for name in some])
        found |= dict(zip(some, rows, strict=True))
    return found


def _check_ids(expert: Expert, found: Sequence[list[Evidence]]) -> None:
    """Attributes name the object they describe by its id: two detectors side by side would share the ids d1, d2..."""
    for rows in found:
        ids = [row.evidence_id for row in rows]
        if len(set(ids)) < len(ids):
            raise UserError(
                f"The expert {expert.name} gives ids that an expert before it gave (such as "
                f"{next(i for i in ids if ids.count(i) > 1)}): list several detectors under one fusion expert."
            )


def annotate(
    images: Iterable[tuple[str, Path]],
    experts: Sequence[Expert],
    batch_size: int = 16,
    cache: Path | None = None,
) -> Iterator[list[Evidence]]:
    """Evidence of each image, in the order of ``images``, one batch in memory at a time.

    Args:
        images: (sha256, path) of each image; an image that comes again is not looked at again.
        experts: in the order they are to run; see :func:`vlrm.experts.config.build_experts`.
        batch_size: images an expert sees at once.
        cache: an SQLite file, made if needed. Each batch is committed before it is handed out, so an
            interrupted run goes on where it was. Evidence of other experts or settings is not used, and
            stays.

    Raises:
        UserError: an image cannot be read, or the cache cannot be opened or written.
    """
    stream = iter(images)
    with closing(EvidenceCache(cache, experts)) as known:
        while batch := list(islice(stream, batch_size)):
            found = known.read([sha for sha, _ in batch])
            missing = {sha: path for sha, path in batch if sha not in found}
            if missing:
                fresh = look(experts, known, missing, open_image)
                known.write(fresh)
                found.update(fresh)
            for sha, _ in batch:
                yield found[sha]


def annotate_table(
    images: Iterable[tuple[str, Path]],
    experts: Sequence[Expert],
    batch_size: int = 16,
    cache: Path | None = None,
) -> pa.Table:
    """The evidence of all images as one table EVIDENCE: each distinct image once, in order of appearance."""
    return pa.concat_tables(annotate_parts(images, experts, batch_size, cache))


def annotate_parts(
    images: Iterable[tuple[str, Path]],
    experts: Sequence[Expert],
    batch_size: int = 16,
    cache: Path | None = None,
) -> Iterator[pa.Table]:
    """The rows of :func:`annotate_table` in parts, at least one, so that any number of images can be written."""
    rows: list[dict[str, Any]] = []
    for sha, evidence in _distinct(images, experts, batch_size, cache):
        rows.extend({"image_sha256": sha, **_as_row(entry)} for entry in evidence)
        if len(rows) >= ROWS_PER_CHUNK:
            yield pa.Table.from_pylist(rows, EVIDENCE)
            rows = []
    yield pa.Table.from_pylist(rows, EVIDENCE)


def _distinct(
    images: Iterable[tuple[str, Path]], experts: Sequence[Expert], batch_size: int, cache: Path | None
) -> Iterator[tuple[str, list[Evidence]]]:
    seen: set[str] = set()
    order: list[str] = []

    def first_times() -> Iterator[tuple[str, Path]]:
        for sha, path in images:
            if sha not in seen:
                seen.add(sha)
                order.append(sha)
                yield sha, path

    for evidence in annotate(first_times(), experts, batch_size, cache):
        yield order.pop(0), evidence


def _as_row(entry: Evidence) -> dict[str, Any]:
    return {**asdict(entry), "box": list(entry.box)}


class EvidenceCache:
    """Evidence per (image hash, hash of all fingerprints) in SQLite; nothing is kept when path is None."""

    def __init__(self, path: Path | None, experts: Sequence[Expert]) -> None:
        # What an expert reports depends on those before it, so the set counts as a whole, in its order.
        named = [f"{expert.name} {expert.fingerprint}" for expert in experts]
        chains = ["\n".join(named[: count + 1]) for count in range(len(named))]
        self._chains = [hashlib.sha256(chain.encode()).hexdigest() for chain in chains or [""]]
        self.path = path
        self.connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(path, timeout=60)
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS evidence (image TEXT, experts TEXT, rows BLOB, "
                "PRIMARY KEY (image, experts)) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._broken(error) from error

    def read(self, shas: Sequence[str]) -> dict[str, list[Evidence]]:
        """Evidence of all the experts about those of the images that they have seen."""
        return self._read(shas, self._chains[-1])

    def begun(self, sha: str) -> tuple[int, list[Evidence]]:
        """How many of the experts, from the first on, have seen an image without the others, and what they found."""
        for count in range(len(self._chains) - 1, 0, -1):
            if sha in (found := self._read([sha], self._chains[count - 1])):
                return count, found[sha]
        return 0, []

    def _read(self, shas: Sequence[str], chain: str) -> dict[str, list[Evidence]]:
        if self.connection is None:
            return {}
        found = {}
        query = "SELECT rows FROM evidence WHERE image = ? AND experts = ?"
        try:
            for sha in shas:
                row = self.connection.execute(query, (sha, chain)).fetchone()
                if row is not None:
                    entries = json.loads(zlib.decompress(row[0]))
                    found[sha] = [_evidence(values) for values in entries]
        except (sqlite3.Error, zlib.error) as error:
            raise self._broken(error) from error
        return found

    def write(self, fresh: dict[str, list[Evidence]]) -> None:
        if self.connection is None:
            return
        rows = [(sha, self._chains[-1], zlib.compress(_packed(entries))) for sha, entries in fresh.items()]
        try:
            with self.connection:
                self.connection.executemany("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def _broken(self, error: Exception) -> UserError:
        return UserError(
            f"The evidence cache {self.path} cannot be used ({error}): "
            "check that its folder is writable, or delete the file."
        )


def _packed(entries: Sequence[Evidence]) -> bytes:
    return json.dumps([[getattr(entry, name) for name in _SHARED] for entry in entries]).encode()


def _evidence(values: list[Any]) -> Evidence:
    named = dict(zip(_SHARED, values, strict=True))
    x0, y0, x1, y1 = named["box"]
    return Evidence(**{**named, "box": (x0, y0, x1, y1)})
