"""A model by name: the registry's champion, or a folder."""

from __future__ import annotations

import huggingface_hub
import mlflow
import pandas as pd
import pytest

from vlrm.errors import UserError
from vlrm.registry import resolve, store


@pytest.fixture(autouse=True)
def elsewhere():
    yield
    mlflow.set_tracking_uri(None)


def test_a_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "reward.json").write_text("{}")
    assert resolve.find_model(str(tmp_path), tmp_path / "data").folder == tmp_path
    with pytest.raises(UserError, match="holds no reward model"):
        resolve.find_model(str(tmp_path / "nothing"), tmp_path)


def test_aliases_are_asked_for_and_no_registry_is_made_for_them(tmp_path, monkeypatch):
    for alias in ("champion", "challenger"):
        with pytest.raises(UserError, match=f"has no {alias} yet"):
            resolve.find_model(alias, tmp_path)
    assert not list(tmp_path.iterdir())
    store.connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    with pytest.raises(UserError, match="has no champion yet"):
        resolve.find_model("champion", tmp_path)
    there = {
        alias: store.Registered(resolve.NAME, n, tmp_path / alias, "")
        for n, alias in ((1, "champion"), (2, "challenger"))
    }
    monkeypatch.setattr(store, "aliased", lambda name, alias: there[alias] if name == resolve.NAME else None)
    for alias, version in there.items():
        found = resolve.find_model(alias, tmp_path)
        assert (found.folder, found.name) == (tmp_path / alias, f"{alias} (version {version.version})")


def test_the_alias_of_a_version_finds_it(tmp_path):
    store.connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "reward.json").write_text("{}")
    example = pd.DataFrame({"image": [""], "question": ["?"], "response": ["!"]})
    made = store.register(tmp_path / "model", resolve.NAME, "digest", example)
    assert store.champion(resolve.NAME) is None
    assert store.aliased(resolve.NAME, store.CHALLENGER) == made
    assert resolve.find_model("challenger", tmp_path).name == "challenger (version 1)"


def test_a_round_is_of_its_experiment(tmp_path):
    folder = tmp_path / "rounds" / "mine" / "00" / "reward_model"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="no round_0 in experiment 'mine'"):
        resolve.find_model("round_0", tmp_path, "mine")
    (folder / "reward.json").write_text("{}")
    assert resolve.find_model("round_0", tmp_path, "mine") == resolve.Found(folder, "round_0")
    with pytest.raises(UserError, match=r"no round_12 .*12/reward_model"):
        resolve.find_model("round_12", tmp_path, "mine")


def test_a_hub_name_is_fetched_without_what_is_no_reward_model(tmp_path, monkeypatch):
    def fetched(name, allow_patterns):
        assert name == "me/my-export" and "reward.json" in allow_patterns and "*" not in allow_patterns
        (tmp_path / "snapshot").mkdir()
        (tmp_path / "snapshot" / "reward.json").write_text("{}")
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    assert resolve.find_model("me/my-export", tmp_path) == resolve.Found(tmp_path / "snapshot", "me/my-export")


def test_a_hub_name_that_is_not_to_be_had_is_one_sentence(tmp_path, monkeypatch):
    def offline(name, allow_patterns):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(UserError, match=r"no folder me/nothing, and it could not be fetched .*no network.*go online"):
        resolve.find_model("me/nothing", tmp_path)
