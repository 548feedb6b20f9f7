"""On a finished run: its pairs exported with their evidence, and an estimate that touches none of its rounds."""

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tiny_project import ROOT, kedro_run


def run(pipeline: str, data: Path, *parameters: str) -> subprocess.CompletedProcess[str]:
    given = ",".join([f"data={data}", *parameters])
    return kedro_run(ROOT, "--pipelines", pipeline, "--env", "smoke", "--params", given)


@pytest.fixture(scope="module")
def exported(whole_run):
    done = run("export", whole_run.data, "export.copy_images=true")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return whole_run.data / "05_model_input/preferences/smoke", done.stdout


def test_every_kept_pair_of_every_round_is_exported_and_the_ending_says_so(exported, whole_run):
    folder, shown = exported
    kept = [pq.read_metadata(whole_run.rounds / number / "pairs.parquet").num_rows for number in ("01", "02")]
    assert f"Pairs     {sum(kept)} ({kept[0]} of round 1, {kept[1]} of round 2)" in shown
    for name in ("trl.parquet", "pairs.parquet"):
        assert pq.read_metadata(folder / name).num_rows == sum(kept)
        assert str(folder / name) in shown
    assert len((folder / "ms_swift.jsonl").read_text("utf-8").splitlines()) == sum(kept)


def test_the_evidence_settles_every_exported_pair(exported):
    rows = pq.read_table(exported[0] / "pairs.parquet").to_pylist()
    for row in rows:
        assert (exported[0] / row["image"]).is_file()
        assert row["chosen_groundedness"] > row["rejected_groundedness"]
        assert row["chosen_claims"] or row["rejected_claims"]
    assert any(claim["evidence"] for row in rows for claim in row["chosen_claims"])


def test_exporting_again_does_nothing(exported, whole_run):
    again = run("export", whole_run.data, "export.copy_images=true")
    assert "1 of 1 stages already done: nothing to do" in again.stdout


def test_without_a_finished_round_the_command_says_which_makes_one(whole_run):
    done = run("export", whole_run.data, "experiment=nobody")
    assert done.returncode == 1
    assert "no finished round to export: kedro run --pipelines iterate makes one" in done.stdout + done.stderr


def test_an_estimate_counts_every_stage_and_touches_no_round(whole_run):
    def stamps() -> dict[str, int]:
        watched = [*whole_run.rounds.parent.rglob("*"), whole_run.data / "mlflow.db"]
        return {str(path): path.stat().st_mtime_ns for path in watched if path.is_file()}

    before = stamps()
    done = run("estimate", whole_run.data)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert stamps() == before
    found = json.loads((whole_run.data / "08_reporting/estimate.json").read_text())
    assert set(found["by_round"]) == {"00", "01", "02", "outside rounds"}
    assert all(line["seconds"] is not None for line in found["lines"])
    looked_at = [line for line in found["lines"] if line["work"] == "image annotated"]
    features = list((whole_run.data / "cache" / "features").rglob("*.safetensors"))
    each = sum(path.stat().st_size for path in features) / len(features)
    assert sum(line["disk"] / line["items"] for line in looked_at) / len(looked_at) == pytest.approx(each, rel=0.2)
    total = found["total"]
    assert total["low"] < total["seconds"] < total["high"]
    assert total["completion_tokens"] > 0 and total["disk"] > 1e6
    assert "Estimate of kedro run --pipelines iterate" in done.stdout
