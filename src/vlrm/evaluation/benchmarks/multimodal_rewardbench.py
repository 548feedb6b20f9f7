"""Multimodal RewardBench (arXiv 2502.14191): a JSON list of two outputs and the name of the better one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source

PARTS = {"safety": ("pairs", "safety/bias", "safety/toxicity"), "reasoning": ("math", "reasoning/math", "reasoning/coding")}  # fmt: skip # noqa: E501
"""Two categories are reported in two parts each: by the prefix of the id, as scripts/2_get_accuracy.py does it."""


def items(source: Source) -> Iterator[Item]:
    for record in source.records():
        name = record.name("ID")
        yield pair(
            name, record.text("Text"), record.image("Image"),
            (record.text("Output1", empty=True), record.text("Output2", empty=True)),
            record.one_of("Better", {"output1": 0, "output2": 1}), category_of(record.text("Category"), name),
        )  # fmt: skip


def category_of(category: str, name: str) -> str:
    """The reported category of an item."""
    if category not in PARTS:
        return category
    prefix, this, other = PARTS[category]
    return this if name.lower().startswith(prefix) else other
