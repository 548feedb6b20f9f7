"""TRL's preference format, conversational or plain: prompt, chosen, rejected, images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import pair
from vlrm.evaluation.benchmarks.conversations import question_of, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.conversations import Turn
    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source


def items(source: Source) -> Iterator[Item]:
    """Without ``prompt`` (TRL calls it implicit) what both conversations begin with is the question."""
    for record in source.records():
        chosen, rejected = (turns(record, side, "assistant") for side in ("chosen", "rejected"))
        if record.has("prompt"):
            asked = turns(record, "prompt", "user")
        else:
            asked = _shared(chosen, rejected)
            chosen, rejected = chosen[len(asked) :], rejected[len(asked) :]
        question = question_of(asked) if asked else ""
        if not question:
            raise record.error("prompt", "the question is empty, and chosen and rejected begin with no common turn.")
        if not chosen or not rejected:
            raise record.error("chosen" if not chosen else "rejected", "there is no answer after the question.")
        yield pair(
            record.id("id"), question, record.image("images", "image", optional=True),
            (chosen[-1].text, rejected[-1].text), 0, str(record.values.get("category") or "all"),
        )  # fmt: skip


def _shared(chosen: list[Turn], rejected: list[Turn]) -> list[Turn]:
    shared = []
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        shared.append(one)
    return shared
