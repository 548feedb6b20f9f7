"""VL-RewardBench (arXiv 2411.17451): JSON or Parquet with two responses and the rank of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.records import Record
    from vlrm.evaluation.benchmarks.source import Source

REASONING, HALLUCINATION = ("mathverse", "mmmu"), ("rlaif", "rlhf", "hallucination")
"""Prefixes of ids, in lower case. What has none of them is a general question: 183 / 749 / 318 items. Two other
splits circulate (631/301/318, 484/448/318), so published category columns are not comparable; the pooled figure is."""


def items(source: Source) -> Iterator[Item]:
    for record in source.records():
        name = record.name("id")
        yield pair(
            name, record.text("query"), record.image("image"), record.two_texts("response"),
            _better(record), category_of(name),
        )  # fmt: skip


def category_of(name: str) -> str:
    """Category by the prefix of an id."""
    if name.lower().startswith(REASONING):
        return "reasoning"
    return "hallucination" if name.lower().startswith(HALLUCINATION) else "general"


def _better(record: Record) -> int:
    """``human_ranking`` holds ranks, not votes: [0, 1] says that the first answer is the better one."""
    ranks = record.values.get("human_ranking")
    if not isinstance(ranks, list | tuple) or sorted(map(str, ranks)) != ["0", "1"]:
        raise record.error("human_ranking", f"there is {ranks!r} where [0, 1] or [1, 0] is needed.")
    return [str(rank) for rank in ranks].index("0")
