"""The whole loop and its ablation on a user's files, as a user types it: bad rows set aside, judged by evidence, nobody
promoted."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hostile_files import hostile
from vlrm.ablation.arms import ON_OWN_IMAGES
from vlrm.evaluation.summary import BY_EVIDENCE, SUMMARY
from vlrm.scenes.questions import ask
from vlrm.scenes.render import render
from vlrm.scenes.world import scenes

pytestmark = [pytest.mark.xdist_group("own_images"), pytest.mark.timeout(900)]  # one run for all of these tests
ROOT = Path(__file__).parents[2]
BAD = ("truncated", "bomb", "text", "missing")


def kedro_run(data: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    given = ",".join(f"{name}={value}" for name, value in {"data": data, "rounds": 1, **parameters}.items())
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1", "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])} | quiet
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "ablate", "--env", "smoke", "--params", given]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """44 scenes as PNG, JPEG and WebP, two questions about each of them, and rows that cannot be used."""
    root = tmp_path_factory.mktemp("own")
    images, rows, rng = root / "images", [], np.random.default_rng(0)
    images.mkdir()
    for number, scene in enumerate(islice(scenes(59), 44)):
        name = f"{number}.{('png', 'jpg', 'webp')[number % 3]}"
        render(scene).save(images / name)
        rows += [{"image": name, "question": question} for question in ("What is in the image?", ask(scene, rng).text)]
    for kind in BAD[:3]:
        hostile(kind, images)
    rows += [
        {"image": hostile(kind, images).name if kind != "missing" else "gone.png", "question": "?"} for kind in BAD
    ]
    rows += [{"image": "../secret.png", "question": "?"}, {"image": "0.png"}]
    (root / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return images, root / "prompts.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory, files):
    data = tmp_path_factory.mktemp("data")
    done = kedro_run(data, images=files[0], prompts=files[1])
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return data, done.stdout


def test_figures_are_those_of_evidence_and_say_so(run):
    data, shown = run
    summary = json.loads((data / "08_reporting/iterate.json").read_text())
    assert summary["truth"] is None and summary["champion"] is None
    assert [one["round"] for one in summary["rounds"]] == [0, 1]
    for one in summary["rounds"]:
        assert all(one[name] is None for name in SUMMARY)
        assert set(BY_EVIDENCE) <= set(one)
        assert one["evidence_pair_accuracy"]["low"] <= one["evidence_pair_accuracy"]["value"]
    assert summary["rounds"][1]["pairs_kept"] >= 8
    assert "truth is unknown" in shown and "evidence pairs" in shown
    page = (data / "08_reporting/report.html").read_text()
    assert "Truth is unknown about these images" in page and "Evidence pair accuracy" in page


def test_the_arms_are_judged_by_evidence_and_say_so(run):
    data, shown = run
    found = json.loads((data / "08_reporting/ablations.json").read_text())
    assert found["by_evidence"] and found["full"]["evidence_pair_accuracy"]["n"] > 0
    assert [arm["name"] for arm in found["arms"]] == list(ON_OWN_IMAGES)
    trained = {arm["name"]: arm["pairs"] for arm in found["arms"] if arm["pairs"] is not None}
    assert set(trained) == {name for name, arm in ON_OWN_IMAGES.items() if arm.recipe} | {"linear_probe"}
    assert min(trained.values()) > 0 and trained["no_critiques"] == found["pairs"]
    assert not any(set(arm["figures"]) & set(SUMMARY) for arm in found["arms"])
    assert "judged by evidence" in shown and "The arms that need exact truth are left out" in shown
    assert "prior-breaking" not in shown.partition("Arms beside the full loop")[2]


def test_bad_rows_are_set_aside_counted_and_listed(run):
    data, shown = run
    table = data / "rounds/smoke/00/quarantine.parquet"
    rows = pq.read_table(table).to_pylist()
    assert len(rows) >= len(BAD) + 2
    reasons = " ".join(row["reason"] for row in rows)
    for says in (
        "truncated",
        "64 megapixels",
        "not an image",
        "does not exist",
        "leaves the images folder",
        "lacks the column",
    ):
        assert says in reasons
    assert f"Set aside {len(rows)} rows, each with its reason: {table}" in shown


def test_scenes_raise_no_warning(run):
    assert "Warning" not in run[1]


def test_nobody_is_promoted_without_allow_unverified(run):
    data, shown = run
    promotion = json.loads((data / "rounds/smoke/promotion.json").read_text())
    assert not promotion["promote"] and promotion["champion_uri"] is None
    assert "Champion  none yet: no truth is known about the gate pairs: say allow_unverified=true" in shown


def test_the_exam_is_of_images_that_no_round_trains_on(run):
    rounds = run[0] / "rounds/smoke"
    exam = pq.read_table(rounds / "00/exam.parquet").to_pylist()
    split = {row["image_sha256"]: row["split"] for row in pq.read_table(rounds / "00/brought.parquet").to_pylist()}
    trained = set(pq.read_table(rounds / "01/pairs.parquet")["image_sha256"].to_pylist())
    assert {row["split"] for row in exam} == {"gate", "report"}
    assert all(split[row["image_sha256"]] == row["split"] for row in exam)
    assert trained and {split[sha] for sha in trained} == {"round 1"}
    assert not pq.read_table(rounds / "00/brought.parquet").num_rows < 60
