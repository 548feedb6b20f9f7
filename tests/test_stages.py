"""Which parameters enter a stage's key."""

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import node

from vlrm.catalog import JsonDocument
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
