"""The index of finished work: stage key -> where its results lie, so that experiments share it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlrm.lineage.files import duplicate, write_json
from vlrm.lineage.hashing import hash_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.lineage.ledger import Stage


@dataclass(frozen=True)
class Found:
    """Results of a stage with the same key, made by the same code: dataset -> path and dataset -> hash."""

    experiment: str
    paths: dict[str, Path]
    hashes: dict[str, str]


@dataclass(frozen=True)
class Index:
    """``data/rounds/.index/<key>.json``; paths in it are relative to ``data/rounds`` so that a project
    can move."""

    rounds: Path

    def _file(self, key: str) -> Path:
        return self.rounds / ".index" / f"{key}.json"

    def find(self, key: str, stage: Stage) -> Found | None:
        """Results that still are what was recorded; newest first. Results other code made do not count."""
        for made in reversed(self._read(key)):
            if made["code"] != stage.code or made["outputs"].keys() != stage.outputs.keys():
                continue
            paths = {name: (self.rounds / out["path"]).resolve() for name, out in made["outputs"].items()}
            hashes = {name: out["sha256"] for name, out in made["outputs"].items()}
            if all(hash_path(paths[name]) == sha for name, sha in hashes.items()):
                return Found(made["experiment"], paths, hashes)
        return None

    def take(self, found: Found, stage: Stage) -> None:
        """Put what was found where ``stage`` keeps its outputs."""
        for name, source in found.paths.items():
            if source != stage.outputs[name].resolve():
                duplicate(source, stage.outputs[name])

    def add(self, key: str, stage: Stage, experiment: str, hashes: Mapping[str, str]) -> None:
        if not stage.outputs:
            return
        outputs = {
            name: {"path": Path(os.path.relpath(path, self.rounds)).as_posix(), "sha256": hashes[name]}
            for name, path in stage.outputs.items()
        }
        others = [made for made in self._read(key) if made["experiment"] != experiment]
        write_json(self._file(key), [*others, {"experiment": experiment, "code": stage.code, "outputs": outputs}])

    def _read(self, key: str) -> list[dict]:
        try:
            return json.loads(self._file(key).read_text("utf-8"))
        except (OSError, ValueError):
            return []
