"""Which parameters enter a stage's key."""

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import node

from vlrm.catalog import JsonDocument
from vlrm.lineage.code import _source, _spec, code_of_module
from vlrm.stages import stage_of


def measure(world: dict, reliability: str | None) -> dict:
    return {"world": world, "file": reliability}


def key(tmp_path: Path, inputs: list[str], reliability: str | None = None) -> str:
    catalog = DataCatalog({
        "params:world": MemoryDataset({"scenes": 3}),
        "params:reliability": MemoryDataset(reliability),
        "known": JsonDocument(filepath=str(tmp_path / "known.json")),
    })  # fmt: skip
    stage = stage_of(node(measure, inputs, "known", name="measure"), catalog)
    return stage.key({})


def test_a_reliability_that_is_not_given_leaves_keys_from_before_it_alone(tmp_path):
    both = ["params:world", "params:reliability"]

    def alone(world: dict) -> dict:
        return world

    catalog = DataCatalog({
        "params:world": MemoryDataset({"scenes": 3}), "known": JsonDocument(filepath=str(tmp_path / "known.json")),
    })  # fmt: skip
    before = stage_of(node(alone, ["params:world"], "known", name="measure"), catalog).key({})
    assert key(tmp_path, both) == before
    file = tmp_path / "mine.json"
    file.write_text("{}")
    assert key(tmp_path, both, str(file)) != before


def test_a_base_model_that_is_trained_again_and_an_expert_of_ones_own_are_other_makers(tmp_path, monkeypatch):
    base, expert = tmp_path / "base", tmp_path / "my_expert.py"
    base.mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def made_by(weights: str, code: str, setting: str = "fine") -> tuple[str, str]:
        (base / "model.safetensors").write_text(weights)
        expert.write_text(code)
        (tmp_path / "weights").write_text(setting)
        for known in (code_of_module, _source, _spec):  # a process reads code once
            known.cache_clear()
        catalog = DataCatalog({
            "params:policy": MemoryDataset({"base": str(base)}),
            "params:experts": MemoryDataset(
                [{"name": "my_expert:Mine", "settings": {"weights": str(tmp_path / "weights"), "confidence": 0.3}}]
            ),
            "known": JsonDocument(filepath=str(tmp_path / "known.json")),
        })  # fmt: skip
        stage = stage_of(node(measure, ["params:policy", "params:experts"], "known", name="measure"), catalog)
        return stage.key({}), stage.code

    first = made_by("one", "x = 1")
    others = [made_by("two", "x = 1"), made_by("one", "x = 22"), made_by("one", "x = 1", "finer")]
    assert made_by("one", "x = 1") == first
    assert {key for key, _ in [first, *others]} == {first[0]}  # what is finished stays finished
    assert len({code for _, code in [first, *others]}) == 4
