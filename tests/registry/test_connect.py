"""The MLflow store is made whole or not at all, and one of another version is told by name."""

from __future__ import annotations

import sqlite3

import mlflow
import pytest

from vlrm.errors import UserError
from vlrm.registry.store import connect


@pytest.fixture(autouse=True)
def elsewhere():
    yield
    mlflow.set_tracking_uri(None)


def test_what_a_killed_run_left_half_made_is_made_anew(tmp_path):
    for name in (".mlflow.db.new", ".mlflow.db.new-journal"):
        (tmp_path / name).write_bytes(b"half of a database")
    connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    assert mlflow.get_experiment_by_name("vlrm").artifact_location.endswith("mlartifacts")
    assert not list(tmp_path.glob(".mlflow.db*"))


def test_a_store_of_another_version_is_refused_in_one_sentence(tmp_path):
    connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = '75868b020152'")
    (tmp_path / "mlflow.db").rename(tmp_path / "old.db")  # MLflow remembers the stores it has opened
    with pytest.raises(UserError, match=r"old\.db was made by another version of MLflow: run 'mlflow db upgrade"):
        connect(tmp_path / "old.db", tmp_path / "mlartifacts")
