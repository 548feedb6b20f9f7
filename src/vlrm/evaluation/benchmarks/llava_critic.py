"""LLaVA-Critic-113k (arXiv 2410.02712): judgements by GPT-4o written as conversations; those that prefer one of two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.records import Record
    from vlrm.evaluation.benchmarks.source import Source

_TASK = re.compile(
    r"Question: \[(?P<question>.*?)\]\s*\n\s*(?:Response 1|Response A|The first response): \[(?P<first>.*?)\]\s*\n\s*"
    r"(?:Response 2|Response B|The second response): \[(?P<second>.*)\]",
    re.DOTALL,
)
_BETTER = re.compile(r"The better response: \[(\w+)\]")
_NAMES = {"first": 0, "1": 0, "a": 0, "second": 1, "2": 1, "b": 1}
_TAIL = 300
"""Characters of a judgement in which its conclusion stands."""


def items(source: Source) -> Iterator[Item]:
    """One item for each row that prefers one of two answers. Ties, and the pointwise rows, which score one answer,
    compare nothing: they are skipped and counted."""
    for record in source.records():
        task, judgement = _turns(record)
        found = _TASK.search(task)
        if found is None:
            source.skipped["it compares no two answers"] += 1
            continue
        named = _BETTER.findall(judgement)
        better = _NAMES.get(named[-1].lower()) if named else None
        if better is None:
            tie = "equally good" in judgement[-_TAIL:]
            source.skipped["it calls them equally good" if tie else "its verdict cannot be read"] += 1
            continue
        yield pair(
            record.id("id"), found["question"].strip(), record.image("image"),
            (found["first"].strip(), found["second"].strip()), better, str(record.values.get("source") or "all"),
        )  # fmt: skip


def _turns(record: Record) -> tuple[str, str]:
    """What is asked and what the critic says, less the place of the image."""
    turns: Any = record.values.get("conversations")
    if not isinstance(turns, list) or len(turns) < 2:
        raise record.error("conversations", "two turns are needed, from human and gpt.")
    said = [turn.get("value") if isinstance(turn, dict) else None for turn in turns[:2]]
    if not all(isinstance(one, str) for one in said):
        raise record.error("conversations", "every turn needs a text as its value.")
    return str(said[0]).replace("<image>", "").strip(), str(said[1])
