"""Runs ``kedro run`` for several seeds, some at once; what a run finished is not done again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from measured_on import ROOT
from vlrm.memory import tree_bytes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

SAY_EVERY = 60.0


@dataclass
class Job:
    """One ``kedro run`` of one seed."""

    seed: int
    pipeline: str
    folder: Path
    words: tuple[str, ...] = ()
    """More words of the command."""
    process: subprocess.Popen[bytes] | None = None
    peak: int = 0

    @property
    def log(self) -> Path:
        return self.folder / f"{self.pipeline}.log"

    def start(self, arguments: argparse.Namespace) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two cores: two runs of one stage each, or one run of two stages at once.
        workers = 1 if arguments.jobs > 1 else 2
        given = [f"data={self.folder}", f"experiment=bench-{self.seed}", f"seed={self.seed}", f"workers={workers}"]
        given += arguments.params
        words = ["kedro", "run", "--pipelines", self.pipeline, "--params", ",".join(given)]
        words += [*self.words, *(["--env", arguments.env] if arguments.env else [])]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "150"}
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", *words]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def watch(self) -> int | None:
        """Note the memory of the process tree; the exit code once it has ended."""
        assert self.process is not None  # noqa: S101
        try:
            self.peak = max(self.peak, tree_bytes(self.process.pid))
        except psutil.NoSuchProcess:
            pass
        return self.process.poll()

    def last_line(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines() if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run_jobs(jobs: Sequence[Job], arguments: argparse.Namespace, console: Console) -> None:
    """All of them, those of one seed in the order given; at most ``arguments.jobs`` at once."""
    waiting = list(jobs)
    running: list[Job] = []
    said = time.monotonic()
    while waiting or running:
        while len(running) < arguments.jobs and (job := _next(waiting, running)):
            waiting.remove(job)
            running.append(job)
            job.start(arguments)
            console.print(f"seed {job.seed}: {job.pipeline} started, log in {job.log}")
        time.sleep(1.0)
        for job in list(running):
            code = job.watch()
            if code is not None:
                running.remove(job)
                _ended(job, code, running, console)
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            for job in running:
                console.print(f"seed {job.seed}: {job.pipeline}: {job.last_line()[:110] or 'starting'}", markup=False)


def _next(waiting: list[Job], running: list[Job]) -> Job | None:
    """The first job whose seed is free: two runs of one seed would wait for each other's lock."""
    busy = {job.seed for job in running}
    return next((job for job in waiting if job.seed not in busy), None)


def _ended(job: Job, code: int, running: list[Job], console: Console) -> None:
    if code:
        for other in running:
            if other.process is not None:
                other.process.terminate()
        raise SystemExit(
            f"seed {job.seed}: {job.pipeline} ended with exit code {code} ({job.last_line()}): read {job.log}, then "
            "run the same command again; what is finished is kept."
        )
    memory = job.folder / "peak_memory.json"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    # A run that found everything done says nothing about the memory of the work itself.
    known[job.pipeline] = max(known.get(job.pipeline, 0.0), round(job.peak / 2**20, 1))
    memory.write_text(json.dumps(known) + "\n")
    console.print(f"seed {job.seed}: {job.pipeline} done")


def seed_folder(arguments: argparse.Namespace, seed: int) -> Path:
    return Path(arguments.data).resolve() / f"seed-{seed}"


def line_of(arguments: argparse.Namespace, seed: int) -> Path:
    """The folder of a seed's rounds."""
    return seed_folder(arguments, seed) / "rounds" / f"bench-{seed}"
