"""Runs of the photos benchmark: one ``kedro run`` for each fold and seed, and its models on the photos it never saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import yaml

from measured_on import ROOT
from photos_exam import prompts_of
from vlrm.evaluation.sit import images_under
from vlrm.images import store
from vlrm.lineage.hashing import hash_json, hash_path
from vlrm.memory import tree_bytes
from vlrm.policy.candidates import sample_candidates
from vlrm.policy.examples import Example
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import Sampling
from vlrm.reward.by_claim import asking_of, by_claim
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.scoring import score
from vlrm.vlm import Vlm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from photos_exam import Photos
    from vlrm.evaluation.benchmarks.item import Item

CANDIDATES = 8
ROUND_ZERO = "00"
BLIND = ("blank", "swapped")
VERSION = 4
"""Of the scores kept beside a run: to be raised when what is measured changes."""


def settings() -> dict[str, Any]:
    """The parameters of ``--env photos``, as its file has them."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "conf/photos/parameters.yml").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Run:
    """One run: the photos of three folds, a seed, and what differs from the defaults (``words``: KEY=VALUE).

    The runs of a fold share the folder ``home / fold-N``: a stage that two have in common is done once.
    """

    home: Path
    fold: int
    seed: int
    arm: str = ""
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"fold-{self.fold}-seed-{self.seed}" + (f"-{self.arm}" if self.arm else "")

    @property
    def data(self) -> Path:
        return self.home / f"fold-{self.fold}"

    @property
    def line(self) -> Path:
        """Its rounds."""
        return self.data / "rounds" / self.name

    @property
    def notes(self) -> Path:
        return self.data / "benchmark" / self.name

    def training(self, photos: Photos) -> Path:
        """The folder of the photos that the run is given: all but its own fold's."""
        folder = self.data / "photos"
        folder.mkdir(parents=True, exist_ok=True)
        for name in photos.sha:
            if photos.fold(name) != self.fold and not (folder / name).exists():
                part = folder / f".{name}"
                shutil.copyfile(photos.file(name), part)
                part.replace(folder / name)
        return folder

    def iterate(self, photos: Photos, extra: Sequence[str], threads: int | None = None) -> None:
        """``kedro run --pipelines iterate --env photos``; its progress is shown, wall time and peak memory are kept."""
        self._kedro("iterate", photos, extra, threads)
        if sorted(self.line.glob("promotion.json")):
            (self.notes / "done").touch()

    def ablate(self, photos: Photos, extra: Sequence[str], threads: int | None = None) -> None:
        """``kedro run --pipelines ablate --env photos``: every arm, on what the loop made."""
        self._kedro("ablate", photos, extra, threads)

    def _kedro(self, pipeline: str, photos: Photos, extra: Sequence[str], threads: int | None) -> None:
        """Run a command; what it takes is noted while it runs, so that nothing is lost when this process is killed."""
        few = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        given = [f"data={self.data}", f"experiment={self.name}", f"seed={self.seed}", f"images={self.training(photos)}"]
        words = ["kedro", "run", "--pipelines", pipeline, "--env", "photos", "--params"]
        command = [sys.executable, "-m", *words, ",".join([*given, *self.words, *extra])]
        before, began, peak = self.costs(), time.monotonic(), 0.0
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | few | {"PYTHONUNBUFFERED": "1"})
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, tree_bytes(process.pid) / 2**20)
            self._note(before, time.monotonic() - began, peak)
            time.sleep(3.0)  # the memory of a process tree is not free to read
        self._note(before, time.monotonic() - began, peak)
        if process.returncode:
            raise SystemExit(
                f"{self.name} ended with exit code {process.returncode}; run the same command again, what is finished "
                "is kept."
            )

    def _note(self, before: Mapping[str, float], seconds: float, peak_mb: float) -> None:
        """A run that was stopped and went on took the sum (``before``: so far), without what comes after its end."""
        if (self.notes / "done").exists():
            return
        costs = {
            "seconds": round(before["seconds"] + seconds, 1),
            "peak_memory_mb": max(before["peak_memory_mb"], round(peak_mb, 1)),
        }
        self.notes.mkdir(parents=True, exist_ok=True)
        part = self.notes / "costs.json.part"
        part.write_text(json.dumps(costs) + "\n")
        part.replace(self.notes / "costs.json")

    def costs(self) -> dict[str, float]:
        file = self.notes / "costs.json"
        return json.loads(file.read_text()) if file.exists() else {"seconds": 0.0, "peak_memory_mb": 0.0}

    @property
    def last(self) -> str:
        """The folder of the last round."""
        return max(one.parent.name for one in self.line.glob("[0-9][0-9]/reward_model"))


@dataclass
class HeldOut:
    """A run's models on the photos of its own fold."""

    run: Run
    photos: Photos
    items: Sequence[Item]
    question: str

    @cached_property
    def names(self) -> list[str]:
        return sorted(name for name in self.photos.sha if self.photos.fold(name) == self.run.fold)

    def scores(self) -> dict[str, Any]:
        """``rewards``: of round 0 and of the last, by item key; ``plain``: the same without what is read by claim;
        ``blind``: of the last with the image blank, and with another photo; ``texts``: the candidates with their
        rewards.

        Kept beside the run, by the content of its models: what was scored is not scored again.
        """
        file = self.run.notes / "scores.json"
        zero, last = self._model(ROUND_ZERO), self._model(self.run.last)
        key = [self.run.last, *self.key(zero, last)]
        if file.exists():
            known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if known["key"] == key:
                return known
        read = {number: self.both(self._model(number)) for number in (ROUND_ZERO, self.run.last)}
        found = {
            "key": key,
            "rewards": {number: whole for number, (whole, _) in read.items()},
            "plain": {number: plain for number, (_, plain) in read.items()},
            "blind": {view: self.rewards(last, view) for view in BLIND},
            "texts": self._best_of(),
        }
        part = file.with_suffix(".part")
        part.write_text(json.dumps(found) + "\n", encoding="utf-8")
        part.replace(file)
        return found

    def key(self, *models: Path) -> list[Any]:
        """What rewards of these models on this fold depend on."""
        items = hash_json(sorted(item.key for item in self._mine()))
        return [VERSION, *(hash_path(model) for model in models), items, self.question]

    def _mine(self) -> list[Item]:
        mine = set(self.names)
        return [item for item in self.items if item.image in mine]

    @property
    def _store(self) -> Path:
        return self.run.data / "01_raw" / "images"

    def _model(self, number: str) -> Path:
        return self.run.line / number / "reward_model"

    def _open(self) -> Vlm:
        base = self.run.data / "06_models" / "photos" / "vlm"
        return Vlm.load(base, self._store, features=self.run.data / "cache" / "features")

    def rewards(self, reward_model: Path, view: str = "image") -> dict[str, list[float]]:
        """Rewards of the responses of the fold's own items, by item key."""
        return self.both(reward_model, view)[0]

    def both(self, reward_model: Path, view: str = "image") -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """As :meth:`rewards`, and the plain ones: without what the model says of each claim."""
        for name in self.names:
            store(self.photos.file(name), self._store)
        model = RewardModel.load(reward_model, self._open())
        shown = dict(zip(self.names, images_under(view, [self._as_item(name) for name in self.names], 0), strict=True))
        asked = {
            item.key: [Row(shown[str(item.image)], item.question, text) for text in item.responses]
            for item in self._mine()
        }
        rows = list(dict.fromkeys(row for both in asked.values() for row in both))  # POPE's splits share questions
        found = (dict(zip(rows, values.tolist(), strict=True)) for values in read_twice(model, rows))
        whole, plain = ({key: [of[row] for row in both] for key, both in asked.items()} for of in found)
        return whole, plain

    def _as_item(self, name: str) -> dict[str, Any]:
        return {"image_sha256": self.photos.sha[name], "quad_id": None}

    def _best_of(self) -> list[dict[str, Any]]:
        """Candidates of each photo, written by the frozen base about all its evidence."""
        base = self._open()
        prompts = prompts_of(self.names, self.photos, self.question, self._store)
        sampling = Sampling.model_validate(settings()["policy"]["sampling"])
        examples = [Example.model_validate(one) for one in settings()["policy"]["examples"]]
        said = sample_candidates(
            LocalWriter(base), prompts, CANDIDATES, sampling, self.run.seed, examples=examples
        ).to_pylist()
        rewards, plain = read_twice(
            RewardModel.load(self._model(self.run.last), self._open()),
            [Row(row["image_sha256"], self.question, row["text"]) for row in said],
        )
        names: Mapping[str, str] = {self.photos.sha[name]: name for name in self.names}
        return [
            {"image": names[row["image_sha256"]], "question": self.question, "sample": row["sample"],
             "text": row["text"], "reward": float(reward), "plain": float(alone)}
            for row, reward, alone in zip(said, rewards, plain, strict=True)
        ]  # fmt: skip


def read_twice(model: RewardModel, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """The rewards (N,) that ``score`` gives, and the plain ones (N,); what both ask (as POPE does) is asked once."""
    scale, model.config = model.config.by_claim, model.config.model_copy(update={"by_claim": 0.0})
    known: dict[Row, float] = {}

    def plain(asked: Sequence[Row]) -> np.ndarray:
        new = list(dict.fromkeys(row for row in asked if row not in known))
        known.update(zip(new, score(model, new).tolist(), strict=True))
        return np.array([known[row] for row in asked])

    alone = plain(rows)
    return (alone + scale * by_claim(rows, plain, asking_of(model)) if scale else alone), alone
