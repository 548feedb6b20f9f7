"""A model by name: the registry's champion, or a folder."""

from __future__ import annotations

import mlflow
import pytest

from vlrm.errors import UserError
from vlrm.registry import resolve, store


@pytest.fixture(autouse=True)
def elsewhere():
    yield
    mlflow.set_tracking_uri(None)


def test_a_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "reward.json").write_text("{}")
    assert resolve.model_folder(str(tmp_path), tmp_path / "data") == tmp_path
    with pytest.raises(UserError, match="holds no reward model"):
        resolve.model_folder(str(tmp_path / "nothing"), tmp_path)


def test_the_champion_is_asked_for_and_no_registry_is_made_for_it(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="has no champion yet"):
        resolve.model_folder("champion", tmp_path)
    assert not list(tmp_path.iterdir())
    store.connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    with pytest.raises(UserError, match="has no champion yet"):
        resolve.model_folder("champion", tmp_path)
    there = store.Registered(resolve.NAME, 1, tmp_path / "model", "digest")
    monkeypatch.setattr(resolve, "champion", lambda name: there if name == resolve.NAME else None)
    assert resolve.model_folder("champion", tmp_path) == there.folder
