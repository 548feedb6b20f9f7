"""Answers verified as a user types it, on rendered scenes: verdicts, groundedness, bad rows, a page."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vlrm.scenes.render import render
from vlrm.scenes.world import SHAPES, scenes

ROOT = Path(__file__).parents[2]


def kedro_run(pipeline: str, data: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    given = ",".join(f"{name}={value}" for name, value in {"data": data, **parameters}.items())
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1", "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])} | quiet
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", pipeline, "--env", "smoke", "--params", given]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


pytestmark = pytest.mark.xdist_group("answers")  # one run for all of these tests


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Eight scenes; of each a true and a false answer, not side by side; and rows that cannot be used."""
    root = tmp_path_factory.mktemp("answers")
    (root / "images").mkdir()
    true, false = [], []
    for number, scene in enumerate(islice(scenes(77), 8)):
        render(scene).save(root / "images" / f"{number}.png")
        there = scene.objects[0].shape
        absent = next(shape for shape in SHAPES if shape not in {o.shape for o in scene.objects})
        true.append({"id": f"true-{number}", "image": f"{number}.png", "response": f"There is a {there}."})
        false.append({"id": f"false-{number}", "image": f"{number}.png", "response": f"There is a {absent}."})
    bad = [
        {"image": "gone.png", "response": "A star."},
        {"image": "0.png"},
        {"image": "../0.png", "response": "A star."},
    ]
    silent = [{"id": "silent", "image": "0.png", "response": "Nice weather today."}]
    (root / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*true, *false, *bad, *silent]))
    return root / "images", root / "answers.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory, files):
    data = tmp_path_factory.mktemp("data")
    done = kedro_run("expert_annotation", data, images=files[0], responses=files[1])
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return data, done.stdout


def rows(run, name):
    return pq.read_table(run[0] / "07_model_output/answers/smoke" / f"{name}.parquet").to_pylist()


def test_every_claim_has_a_verdict_a_probability_and_its_evidence(run):
    claims = rows(run, "claims")
    assert len(claims) == 16
    right = 0
    for claim in claims:
        true = claim["response_id"].startswith("true")
        right += claim["verdict"] == ("supported" if true else "contradicted")
        evidence = json.loads(claim["evidence"])
        assert {one["id"] for one in evidence} >= set(claim["evidence_ids"])
        assert 0 <= claim["probability"] <= 1 and claim["said"] in ("ball", "box", *SHAPES)
        if claim["verdict"] == "supported":
            assert any(one["label"] == claim["said"] and one["expert"] == "detector" for one in evidence)
    assert right >= 14


def test_groundedness_is_minus_the_expected_number_of_false_claims(run):
    scored = {row["response_id"]: row for row in rows(run, "groundedness")}
    for claim in rows(run, "claims"):
        row = scored[claim["response_id"]]
        assert row["claims"] == 1 and row["groundedness"] == pytest.approx(claim["probability"] - 1)
    assert scored["silent"]["groundedness"] == 0 and not scored["silent"]["has_claims"]
    mean = {kind: sum(scored[f"{kind}-{n}"]["groundedness"] for n in range(8)) / 8 for kind in ("true", "false")}
    assert mean["true"] > -0.2 and mean["false"] < -0.7


def test_bad_rows_are_set_aside_with_their_reasons(run):
    reasons = " ".join(row["reason"] for row in rows(run, "quarantine"))
    assert len(rows(run, "quarantine")) == 3
    for says in ("does not exist", "lacks the column response", "leaves the images folder"):
        assert says in reasons


def test_finished_work_is_not_done_again(run, files):
    again = kedro_run("expert_annotation", run[0], images=files[0], responses=files[1])
    assert again.returncode == 0 and "5 of 5 stages already done: nothing to do" in again.stdout


def test_a_response_is_explained_on_a_page_of_its_own(run):
    done = kedro_run("explain", run[0], response="false-0")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    page = (run[0] / "08_reporting/explanation.html").read_text()
    said = next(claim["said"] for claim in rows(run, "claims") if claim["response_id"] == "false-0")
    assert f"<td>{said}<small>existence</small></td>" in page and "contradicted" in page
    assert "data:image/jpeg;base64," in page and "http://" not in page.replace("http://www.w3.org", "")
    unknown = kedro_run("explain", run[0], response="nobody")
    assert (
        unknown.returncode == 1 and "holds the response 'nobody': there are true-0" in unknown.stdout + unknown.stderr
    )


def test_answers_without_images_are_refused_in_one_sentence(tmp_path, files):
    done = kedro_run("expert_annotation", tmp_path, responses=files[1])
    assert done.returncode == 1 and "give both" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
