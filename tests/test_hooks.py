"""What MLflow holds after a run: a parent, a run a round, figures by round, files, failures; nothing for nothing."""

import json

import mlflow
import pytest
from mlflow import MlflowClient

from tiny_project import create, kedro_run

pytestmark = pytest.mark.xdist_group("hooks")  # one run for all of these tests


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return create(tmp_path_factory.mktemp("tracked"), tracking=True)


@pytest.fixture(scope="module")
def finished(project):
    done = kedro_run(project, "--pipelines", "iterate", "--params", "rounds=2")
    assert done.returncode == 0, done.stderr
    return project


def runs(project) -> list[mlflow.entities.Run]:
    """Newest first."""
    client = MlflowClient(f"sqlite:///{project}/data/mlflow.db")
    experiment = client.get_experiment_by_name("vlrm")
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])


def parents(project) -> list[mlflow.entities.Run]:
    return [run for run in runs(project) if "mlflow.parentRunId" not in run.data.tags]


def test_one_parent_and_one_run_a_round(finished):
    (parent,) = parents(finished)
    children = [run for run in runs(finished) if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name for run in children) == ["round 01", "round 02"]
    assert {run.info.status for run in runs(finished)} == {"FINISHED"}
    assert parent.info.run_name == "iterate"
    assert parent.data.params == {"seed": "0", "rule.step": "1", "rule.fail_at": "99"}


def test_figures_stand_with_their_round_in_parent_and_child(finished):
    (parent,) = parents(finished)
    client = MlflowClient(f"sqlite:///{finished}/data/mlflow.db")
    history = client.get_metric_history(parent.info.run_id, "interval.low")
    assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [(1, 0.0), (2, 1.0)]
    second = next(run for run in runs(finished) if run.info.run_name == "round 02")
    assert second.data.metrics == {"value": 2.0, "interval.low": 1.0}


def test_the_report_is_a_file_of_the_parent(finished):
    (parent,) = parents(finished)
    client = MlflowClient(f"sqlite:///{finished}/data/mlflow.db")
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["report.html"]
    assert (finished / "data/mlartifacts").is_dir()


def test_nothing_done_is_nothing_logged_and_a_failure_is_a_failure(finished):
    before = len(runs(finished))
    assert kedro_run(finished, "--params", "rounds=2").returncode == 0
    assert len(runs(finished)) == before
    failed = kedro_run(finished, "--params", "rounds=2,experiment=broken,rule.fail_at=2")
    assert failed.returncode != 0 and "ArithmeticError" in failed.stderr
    newest = parents(finished)[0]
    assert newest.info.status == "FAILED"
    assert newest.data.tags["error"] == "ArithmeticError: value 2 is too large"
    assert {run.info.status for run in runs(finished)} == {"FINISHED", "FAILED"}


def test_a_traceless_node_runs_every_time_and_neither_manifests_nor_mlflow_hear_of_it(finished):
    def manifests():
        return {path: path.read_text() for path in (finished / "data/rounds").rglob("manifest.json")}

    logged, recorded = len(runs(finished)), manifests()
    for seed in (3, 3):
        (finished / "data/peeked.json").unlink(missing_ok=True)
        done = kedro_run(finished, "--pipelines", "peek", "--params", f"seed={seed}")
        assert done.returncode == 0, done.stderr
        assert json.loads((finished / "data/peeked.json").read_text()) == {"value": seed}
    assert (len(runs(finished)), manifests()) == (logged, recorded)


def test_a_run_whose_first_stages_fail_is_in_mlflow_too(finished):
    before = len(parents(finished))
    failed = kedro_run(finished, "--params", "rounds=2,experiment=early,seed=7,rule.fail_at=1")
    assert failed.returncode != 0
    assert len(parents(finished)) == before + 1
    assert parents(finished)[0].info.status == "FAILED"
