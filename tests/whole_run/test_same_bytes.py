"""The same seed gives the same bytes, also when the run is killed in the middle and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from smoke_run import ITERATE, iterate
from tiny_project import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = "rm_training.sample_on_policy_critiques"
WORKERS = 2


def start_and_kill(data: Path) -> list[str]:
    """Start a run, kill it with SIGKILL while round 01's reward model trains; the lines it showed."""
    words = [sys.executable, "-m", "kedro", "run", *ITERATE, f"data={data}"]
    log = data.parent / "killed.log"
    lines: list[str] = []
    with (
        log.open("w") as errors,
        subprocess.Popen(
            words, cwd=ROOT, env=environment(ROOT), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as child,
    ):
        for line in child.stdout:
            lines.append(line.rstrip())
            if BEFORE in line:
                time.sleep(0.5)  # into the training, or on a fast machine into the stage after it
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL, log.read_text()
    return lines


def stages(lines: list[str]) -> list[str]:
    """``round 01 rm_training.train_critic`` of each line that tells a finished stage."""
    found = [re.match(r"\s*\d+/\d+\s+(round \d+|setup)\s+(\S+)", line) for line in lines]
    return list(dict.fromkeys(f"{match[1]} {match[2]}" for match in found if match))


def recorded(data: Path) -> list[Path]:
    """The tables of every stage that the ledger calls finished; one in flight may have written its own already."""
    manifests = [json.loads(path.read_text("utf-8")) for path in (data / "rounds").rglob("manifest.json")]
    entries = [entry for manifest in manifests for entry in manifest["stages"].values()]
    return [ROOT / path for entry in entries for path in entry["paths"].values() if path.endswith(".parquet")]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory) -> tuple[Path, list[str], list[str], dict[Path, int]]:
    """A data folder, what the killed and the second run showed, and the stamps of the files between the two."""
    data = tmp_path_factory.mktemp("resumed") / "data"
    killed = start_and_kill(data)
    stamps = {path: path.stat().st_mtime_ns for path in recorded(data)}
    done = iterate(data)
    assert done.returncode == 0, done.stderr[-4000:]
    return data, killed, done.stdout.splitlines(), stamps


def test_a_killed_run_redoes_only_the_stages_in_flight(whole_run, resumed):
    data, killed, again, stamps = resumed
    first, second = stages(killed), stages(again)
    everything = set(stages(whole_run.shown.splitlines()))
    assert f"round 01 {BEFORE}" in first
    assert not set(first) & set(second), "what was shown as finished is not done again"
    # Between the last line and the kill a stage may have ended in each worker.
    assert set(first) | set(second) <= everything
    assert len(everything - set(first) - set(second)) <= WORKERS
    assert again[0].startswith(f"{len(everything) - len(second)} of ")
    assert len(stamps) > 20 and stamps == {path: path.stat().st_mtime_ns for path in stamps}
    assert not list(data.rglob(".*.new")), "what the kill left half-written must not stay"


def test_tables_and_weights_are_equal_byte_for_byte(whole_run, resumed):
    other = resumed[0] / "rounds" / "smoke"
    names = sorted(
        path.relative_to(whole_run.rounds)
        for pattern in ("*.parquet", "*.safetensors", "metrics.json")
        for path in whole_run.rounds.rglob(pattern)
    )
    assert len(names) > 60
    different = [str(name) for name in names if (other / name).read_bytes() != (whole_run.rounds / name).read_bytes()]
    assert not different
