"""What a run leaves behind: its ending, its figures, its rounds' manifests, its MLflow runs; and what a rerun does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from vlrm.lineage.hashing import hash_path

FIGURES = {
    "hallucination_accuracy",
    "reasoning_consistency",
    "quad_accuracy",
    "organic_accuracy",
    "prior_breaking_accuracy",
    "blank_image_accuracy",
}


@pytest.fixture(scope="module")
def summary(whole_run) -> dict[str, Any]:
    return json.loads((whole_run.data / "08_reporting/iterate.json").read_text())


@pytest.fixture(scope="module")
def manifests(whole_run) -> dict[str, dict[str, Any]]:
    return {name: json.loads((whole_run.rounds / name / "manifest.json").read_text()) for name in ("00", "01", "02")}


def test_the_summary_has_exactly_the_keys_that_are_promised(summary):
    assert set(summary) == {"rounds", "seconds", "peak_memory_mb", "champion"}
    assert [one["round"] for one in summary["rounds"]] == [0, 1, 2]
    for one in summary["rounds"]:
        assert set(one) == {"round", "pairs_offered", "pairs_kept"} | FIGURES


def test_every_figure_has_its_interval(summary):
    for one in summary["rounds"]:
        for name in FIGURES:
            assert set(one[name]) == {"value", "low", "high"}
            assert 0 <= one[name]["low"] <= one[name]["value"] <= one[name]["high"] <= 1, name


def test_every_round_kept_pairs_and_counted_the_others(summary, whole_run):
    from vlrm.catalog.finished import Finished

    finished = Finished.open(str(whole_run.data), "smoke")
    for one in summary["rounds"][1:]:
        this = f"round_{one['round']:02d}"
        assert 0 < one["pairs_kept"] <= 30 < one["pairs_offered"]
        judged = finished.table(f"{this}.pairs_judged")
        assert (len(judged), judged["refused"].null_count()) == (one["pairs_offered"], one["pairs_kept"])
        assert len(finished.table(f"pairs_{one['round']:02d}")) == one["pairs_kept"]


def test_the_memory_is_that_of_a_real_process(summary):
    assert 300 < summary["peak_memory_mb"] < 4096
    assert summary["seconds"] > 5


def test_the_ending_has_a_line_a_round_and_says_where_everything_is(whole_run):
    lines = whole_run.shown.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("│")] == ["0", "1", "2"]
    for what, where in (("Report", "08_reporting/report.html"), ("Figures", "08_reporting/iterate.json")):
        assert any(line.startswith(what) and line.endswith(str(whole_run.data / where)) for line in lines)
        assert (whole_run.data / where).is_file()
    assert any(line.startswith("Champion") for line in lines)


def test_manifests_hold_what_made_each_file_and_form_a_chain(manifests, whole_run):
    assert all(manifest["sealed"] for manifest in manifests.values())
    for number in ("01", "02"):
        before = f"{int(number) - 1:02d}"
        assert manifests[number]["parent"] == {"round": before, "digest": manifests[before]["digest"]}
    stages = [stage for manifest in manifests.values() for stage in manifest["stages"].values()]
    for stage in stages:
        for name, path in stage["paths"].items():
            assert hash_path(whole_run.data / path) == stage["outputs"][name], path


def test_what_the_terminal_shows_is_the_projects_own(whole_run):
    assert "INFO" not in whole_run.shown
    assert "Downloading" not in whole_run.shown


def test_a_rerun_does_nothing(whole_run):
    def stamps() -> dict[str, int]:
        files = [path for path in whole_run.data.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path): path.stat().st_mtime_ns for path in files}

    before = stamps()
    again = whole_run.again()
    assert again.returncode == 0, again.stderr
    assert "stages already done: nothing to do" in again.stdout.splitlines()[0]
    assert again.stdout.splitlines()[1:] == whole_run.shown.splitlines()[-len(again.stdout.splitlines()) + 1 :]
    assert stamps() == before


@pytest.fixture(scope="module")
def client(whole_run) -> MlflowClient:
    return MlflowClient(f"sqlite:///{whole_run.data}/mlflow.db")


def test_mlflow_holds_a_run_a_round_inside_one_parent(client, summary):
    found = client.search_runs([client.get_experiment_by_name("vlrm").experiment_id])
    (parent,) = [run for run in found if run.info.run_name == "iterate"]
    children = {
        run.info.run_name: run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert sorted(children) == ["round 00", "round 01", "round 02"]
    history = client.get_metric_history(parent.info.run_id, "hallucination_accuracy")
    figures = [one["hallucination_accuracy"]["value"] for one in summary["rounds"]]
    assert {metric.step: metric.value for metric in history} == pytest.approx(dict(enumerate(figures)))
    assert children["round 02"].data.metrics["pairs/kept"] == summary["rounds"][2]["pairs_kept"]
    assert len(client.get_metric_history(children["round 01"].info.run_id, "training/loss")) > 1
    assert "| 2 |" in parent.data.tags["mlflow.note.content"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"report.html", "iterate.json"}
    assert "waterfall.csv" in {file.path for file in client.list_artifacts(children["round 01"].info.run_id)}


def test_the_registered_model_tells_a_user_what_it_is_and_scores(client, whole_run):
    import mlflow

    from vlrm.registry.store import SIGNATURE

    model = client.get_registered_model("vlrm-reward-model")
    version = client.get_model_version_by_alias(model.name, "challenger")
    assert "models:/vlrm-reward-model@champion" in model.description
    assert version.tags["gate.promote"] in ("True", "False") and version.description.endswith(".")
    mlflow.set_tracking_uri(f"sqlite:///{whole_run.data}/mlflow.db")
    try:
        served = mlflow.pyfunc.load_model(f"models:/{model.name}@challenger")
        rewards = served.predict(served.input_example)["reward"]
    finally:
        mlflow.set_tracking_uri(None)
    assert served.metadata.signature == SIGNATURE
    assert len(rewards) > 0 and rewards.notna().all()
