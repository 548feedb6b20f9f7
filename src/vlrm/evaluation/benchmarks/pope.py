"""POPE (arXiv 2305.10355): questions for objects, some of which are not in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import ANSWERS, yes_no

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.records import Record
    from vlrm.evaluation.benchmarks.source import Source

SPLITS = ("random", "popular", "adversarial")
"""How the absent objects were drawn, the hardest last."""


def items(source: Source) -> Iterator[Item]:
    """The three files of the authors (objects one a line), or the one table of the hub (columns question, answer)."""
    for record in source.records():
        label = "label" if record.has("label") else "answer" if record.has("answer") else "label"
        yield yes_no(
            record.id("question_id"), record.text("text", "question"), record.image("image"),
            record.one_of(label, ANSWERS), _split(record),
        )  # fmt: skip


def _split(record: Record) -> str:
    """The column category, or what the name of the file says; "all" where neither does."""
    said = str(record.values.get("category") or record.file).lower()
    return next((split for split in SPLITS if split in said), "all")
