"""Turns of a conversation as preference files write them: texts, roles with texts, or parts of texts and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.evaluation.benchmarks.records import Record

IMAGE = "<image>"


class Turn(NamedTuple):
    role: str
    text: str


def turns(record: Record, field: str, role: str) -> list[Turn]:
    """The turns of a field; a bare text is one turn of ``role``."""
    value = record.values.get(field)
    if isinstance(value, str):
        return [Turn(role, value)]
    if not isinstance(value, list) or not value:
        raise record.error(field, "a text or a list of turns with role and content is needed.")
    return [_turn(record, field, place, turn) for place, turn in enumerate(value)]


def _turn(record: Record, field: str, place: int, turn: Any) -> Turn:
    content = turn.get("content") if isinstance(turn, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") or "" for part in content if isinstance(part, dict) and part.get("type") != "image"]
        content = "\n".join(text for text in texts if isinstance(text, str) and text)
    if not isinstance(content, str) or not isinstance(turn.get("role"), str):
        raise record.error(f"{field}[{place}]", "a role and a content that is a text are needed.")
    return Turn(turn["role"], content)


def question_of(asked: Sequence[Turn]) -> str:
    """What is asked before the answer: the user's text, or all turns by role where there are several.

    Leading places of images go: an item's image stands before its question anyway.
    """
    told = [Turn(turn.role, _bare(turn.text)) for turn in asked]
    if len(told) == 1:
        return told[0].text
    return "\n".join(f"{turn.role}: {turn.text}" for turn in told)


def _bare(text: str) -> str:
    text = text.strip()
    while text.startswith(IMAGE):
        text = text.removeprefix(IMAGE).lstrip()
    return text
