"""A user's own JSONL or Parquet: an image, a question, and two answers or the right word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import ANSWERS, pair, yes_no

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.records import Record
    from vlrm.evaluation.benchmarks.source import Source

BETTER = {0: 0, 1: 1, "0": 0, "1": 1}


def items(source: Source) -> Iterator[Item]:
    """Columns ``question`` and, where the question is about one, ``image`` (a path, or bytes); then one of

    - ``chosen`` and ``rejected``,
    - ``responses`` (two texts) and ``better`` (0 or 1, which of them),
    - ``label`` (yes or no);

    and, if wanted, ``id``, ``category`` and ``group`` (items that have to be right together).
    """
    for record in source.records():
        yield _item(record)


def _item(record: Record) -> Item:
    name, question = record.id("id"), record.text("question")
    image = record.image("image", optional=True)
    category = record.name("category") if record.has("category") else "all"
    group = record.name("group") if record.has("group") else None
    if record.has("label"):
        return yes_no(name, question, image, record.one_of("label", ANSWERS), category, group)
    if record.has("responses"):
        responses, better = record.two_texts("responses"), record.one_of("better", BETTER)
        return pair(name, question, image, responses, better, category, group)
    if not record.has("chosen"):
        raise record.error("chosen", "give chosen and rejected, or responses and better, or label.")
    sides = (record.text("chosen", empty=True), record.text("rejected", empty=True))
    return pair(name, question, image, sides, 0, category, group)
