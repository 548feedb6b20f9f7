"""The ledger of an experiment: one manifest a round, of what each stage read and wrote."""

from __future__ import annotations

import json
import platform
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from vlrm.errors import UserError
from vlrm.lineage.files import write_json
from vlrm.lineage.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SETUP = "setup"
TRACELESS = "traceless"
"""Tag of a node that runs whenever it is asked for and leaves no trace: nothing of it enters a manifest or MLflow."""
HOME = "home"
"""Tag of a node that runs in the process of the run itself: it writes to MLflow, or tells of the run itself."""
IMPORTS, REGISTERS = "imports", "registers"
"""Tags of nodes that also store images, and that also register a model: they run again where those are gone."""
_VERSIONED = (
    "vlrm",
    "torch",
    "transformers",
    "peft",
    "numpy",
    "pyarrow",
    "ultralytics-opencv-headless",
    "rapidocr",
)


@dataclass(frozen=True)
class Stage:
    """One node as the ledger sees it. ``folder`` is its round ("01") or "setup"; ``outputs`` maps dataset
    to path."""

    name: str
    folder: str
    parameters: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: Mapping[str, Path]
    code: str = ""

    def key(self, hashes: Mapping[str, str]) -> str:
        """SHA-256 of name, parameter values and input contents: equal keys mean the stage would do the
        same again."""
        read = {name: hashes[name] for name in self.inputs}
        return hash_json({"stage": self.name, "parameters": self.parameters, "inputs": read})


@dataclass
class Entry:
    """What a manifest records of a finished stage. ``outputs`` maps dataset name to content hash."""

    key: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    code: str = ""
    seconds: float = 0.0
    reused_from: str | None = None
    paths: dict[str, str] = field(default_factory=dict)


@dataclass
class Ledger:
    """The manifests under ``data/rounds/<experiment>/``."""

    folder: Path
    experiment: str
    project: Path
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, rounds: Path, experiment: str, project: Path) -> Ledger:
        folder = rounds / experiment
        ledger = cls(folder, experiment, project)
        for path in sorted(folder.glob("**/manifest.json")):
            try:
                ledger.manifests[path.parent.relative_to(folder).as_posix()] = json.loads(path.read_text("utf-8"))
            except ValueError as error:
                raise UserError(f"{path} is not valid JSON ({error}): delete it to redo what it recorded.") from error
        return ledger

    def entry(self, stage: Stage) -> Entry | None:
        raw = self.manifests.get(stage.folder, {}).get("stages", {}).get(stage.name)
        return Entry(**raw) if raw else None

    def sealed(self, folder: str) -> bool:
        return bool(self.manifests.get(folder, {}).get("sealed"))

    def record(self, stage: Stage, entry: Entry) -> None:
        self._manifest(stage.folder)["stages"][stage.name] = vars(entry)
        self._write(stage.folder)

    def forget(self, stage: Stage) -> None:
        """Before a stage is redone: from here on its round is unfinished."""
        manifest = self._manifest(stage.folder)
        if manifest["stages"].pop(stage.name, None) is not None or manifest["sealed"]:
            manifest["sealed"] = False
            self._write(stage.folder)

    def seal(self, whole: Mapping[str, set[str]]) -> None:
        """Seal each round of ``whole`` (folder -> names of its stages) whose stages are all done, each from the
        others' present results."""
        entries = [entry for m in self.manifests.values() for entry in m["stages"].values()]
        present = {name: sha for entry in entries for name, sha in entry["outputs"].items()}
        for folder, names in whole.items():
            stages = self.manifests.get(folder, {}).get("stages", {})
            complete = names <= stages.keys() and all(
                present.get(name, sha) == sha for stage in names for name, sha in stages[stage]["inputs"].items()
            )
            if folder != SETUP and complete and not self.sealed(folder):
                self.manifests[folder]["sealed"] = True
                self._write(folder)

    def newest_sealed(self) -> int | None:
        rounds = [int(name) for name in self.manifests if name.isdigit() and self.sealed(name)]
        return max(rounds, default=None)

    def _manifest(self, folder: str) -> dict[str, Any]:
        fresh = {"experiment": self.experiment, "folder": folder, "sealed": False, "stages": {}}
        return self.manifests.setdefault(folder, fresh)

    def _write(self, folder: str) -> None:
        manifest = self.manifests[folder]
        manifest["digest"] = digest(manifest)
        manifest["parent"] = self._parent(folder)
        manifest["code"] = {"commit": _commit(self.project), "versions": _versions()}
        write_json(self.folder / folder / "manifest.json", manifest)

    def _parent(self, folder: str) -> dict[str, str] | None:
        line, _, number = folder.rpartition("/")
        if not number.isdigit() or int(number) == 0:
            return None
        name = f"{line}/{int(number) - 1:02d}".lstrip("/")
        manifest = self.manifests.get(name)
        return {"round": name, "digest": manifest["digest"]} if manifest else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the experiment for this process; the system frees it when the process ends, however it ends.

        :raises UserError: when another run holds it, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise UserError(
                f"cannot write to {self.folder} ({error.strerror}): give this user the right to write "
                f"there, or choose "
                "another folder with --params data=FOLDER."
            ) from error
        with lock:
            try:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # Windows: no such lock; two runs there are the user's to avoid
                pass
            except OSError as error:
                raise UserError(
                    f"another run is writing experiment '{self.experiment}': wait for it, or add --params "
                    f"experiment=NAME."
                ) from error
            yield


def digest(manifest: Mapping[str, Any]) -> str:
    """What a round *is*: a hash of its stages' keys and results, without times, machine or code version."""
    return hash_json({name: [entry["key"], entry["outputs"]] for name, entry in manifest["stages"].items()})


@cache
def _commit(project: Path) -> str | None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(project), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", "src", "kernels") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
