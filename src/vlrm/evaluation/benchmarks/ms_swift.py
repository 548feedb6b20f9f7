"""ms-swift's JSONL for reward models and DPO: messages that end with the chosen answer, and the rejected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import pair
from vlrm.evaluation.benchmarks.conversations import question_of, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source


def items(source: Source) -> Iterator[Item]:
    """``rejected_response`` is a text; ``rejected_messages`` a whole conversation, of which the end counts."""
    for record in source.records():
        said = turns(record, "messages", "user")
        if len(said) < 2 or said[-1].role != "assistant":
            raise record.error("messages", "a question and, last, the assistant's answer are needed.")
        if record.has("rejected_messages"):
            rejected = turns(record, "rejected_messages", "assistant")[-1].text
        else:
            rejected = record.text("rejected_response", empty=True)
        question = question_of(said[:-1])
        if not question:
            raise record.error("messages", "the question is empty.")
        yield pair(
            record.id("id"), question, record.image("images", "image", optional=True),
            (said[-1].text, rejected), 0, str(record.values.get("category") or "all"),
        )  # fmt: skip
