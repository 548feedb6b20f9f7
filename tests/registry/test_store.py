"""A reward model's way through the registry: logged once, registered, served, challenger, champion."""

import base64
import io
import json
import shutil
import sys
import types

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vlrm.errors import UserError
from vlrm.registry import store
from vlrm.registry.promotion import decide


class BrightnessScorer:
    """A reward model whose rewards a test can work out by hand: mean brightness plus a bias plus words said."""

    def __init__(self, bias: float):
        self.bias = bias

    @classmethod
    def load(cls, folder):
        return cls(json.loads((folder / "bias.json").read_text())["bias"])

    def rewards(self, rows):
        return np.array([np.asarray(image).mean() / 255 + self.bias + len(text.split()) for image, _, text in rows])


@pytest.fixture
def registry(tmp_path, monkeypatch):
    scoring = types.ModuleType("vlrm.reward.scoring")
    scoring.Scorer = BrightnessScorer
    monkeypatch.setitem(sys.modules, "vlrm.reward.scoring", scoring)
    store.connect(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    yield tmp_path
    mlflow.set_tracking_uri(None)


def folder(root, bias: float):
    path = root / f"model_{bias}"
    path.mkdir()
    (path / "bias.json").write_text(json.dumps({"bias": bias}))
    return path


def example(*colours: str) -> pd.DataFrame:
    rows = []
    for colour in colours:
        file = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(file, "PNG")
        image = base64.b64encode(file.getvalue()).decode()
        rows.append({"image": image, "question": "What is there?", "response": "a star"})
    return pd.DataFrame(rows)


def test_a_project_that_was_moved_keeps_its_champion_and_writes_where_it_is(registry, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    store.connect(before / "mlflow.db", before / "mlartifacts")
    version = store.register(folder(tmp_path, 0.1), "m", "one", example("black"))
    store._alias(version, "champion")
    before.rename(after)
    store.connect(after / "mlflow.db", after / "mlartifacts")
    champion = store.champion("m")
    assert champion.version == 1 and champion.folder.is_relative_to(after) and (champion.folder / "bias.json").exists()
    assert store.register(tmp_path / "model_0.1", "m", "one", example("black")).version == 1
    assert store.register(folder(tmp_path, 0.2), "m", "two", example("black")).folder.is_relative_to(after)
    assert not before.exists()


def test_a_version_whose_files_are_gone_is_named_and_its_model_registered_again(registry, tmp_path):
    version = store.register(folder(tmp_path, 0.1), "m", "one", example("black"))
    store._alias(version, "champion")
    shutil.rmtree(tmp_path / "mlartifacts" / "models")
    with pytest.raises(UserError, match="version 1 of m is registered, but its files are gone"):
        store.champion("m")
    again = store.register(tmp_path / "model_0.1", "m", "one", example("black"))
    assert again.version == 2 and (again.folder / "bias.json").exists()
    assert store.aliased("m", "nobody") is None


def test_a_model_goes_from_folder_to_champion(registry):
    assert store.champion("rm") is None
    first = store.register(folder(registry, 1.0), "rm", "digest-1", example("white"))
    assert (first.version, first.manifest) == (1, "digest-1")
    store.settle(first, decide({f"{i}": 1.0 for i in range(50)}, None))
    assert store.champion("rm") == first
    assert json.loads((store.champion("rm").folder / "bias.json").read_text()) == {"bias": 1.0}

    again = store.register(registry / "model_1.0", "rm", "digest-1", example("white"))
    assert again.version == 1

    second = store.register(folder(registry, 2.0), "rm", "digest-2", example("white"))
    worse = decide({f"{i}": 0.0 for i in range(50)}, {f"{i}": 1.0 for i in range(50)})
    store.settle(second, worse)
    assert store.champion("rm") == first
    aliases = mlflow.MlflowClient().get_registered_model("rm").aliases
    assert {alias: int(version) for alias, version in aliases.items()} == {"champion": 1, "challenger": 2}
    tags = mlflow.MlflowClient().get_model_version("rm", "2").tags
    assert tags["gate.promote"] == "False" and tags["gate.reasons"].startswith("not surely better")

    served = mlflow.pyfunc.load_model("models:/rm@champion")
    assert served.metadata.signature == store.SIGNATURE
    assert served.predict(example("white", "black"))["reward"].tolist() == pytest.approx([4.0, 3.0])
    with pytest.raises(ValueError, match="row 0: the image is not base64"):
        served.predict(pd.DataFrame([{"image": "/etc/passwd", "question": "q", "response": "r"}]))
