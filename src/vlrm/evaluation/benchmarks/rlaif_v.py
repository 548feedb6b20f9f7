"""RLAIF-V (arXiv 2405.17220): Parquet of chosen and rejected answers, the image's bytes beside them."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source


def items(source: Source) -> Iterator[Item]:
    """The category is the kind of question in ``origin_split``: "detailed_description" or "question_answering"."""
    for record in source.records():
        yield pair(
            record.id("idx", "id"), record.text("question"), record.image("image", "image_path"),
            (record.text("chosen", empty=True), record.text("rejected", empty=True)), 0,
            kind_of(record.values.get("origin_split")),
        )  # fmt: skip


def kind_of(origin: Any) -> str:
    """``type`` of ``origin_split``, which is an object written as text, in JSON or as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(origin) if isinstance(origin, str) else origin
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return value["type"].strip().lower().replace(" ", "_")
    return "other"
