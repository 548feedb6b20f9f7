"""Items from rows: what every loader ends with."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from vlrm.evaluation.benchmarks.item import YES_NO, Item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

YES, NO = 0, 1
"""Indices in :data:`vlrm.evaluation.benchmarks.item.YES_NO`."""
ANSWERS: Mapping[Any, int] = {"yes": YES, "no": NO}


def item_key(id: str, question: str, responses: Sequence[str]) -> str:
    """64 bits of content in hex: released files repeat ids under which other answers are compared."""
    content = json.dumps([id, question, *responses], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def pair(
    id: str,
    question: str,
    image: str | bytes | None,
    responses: tuple[str, str],
    better: int,
    category: str,
    group: str | None = None,
    **details: Any,
) -> Item:
    """Which of two answers is better."""
    key = item_key(id, question, responses)
    return Item(key, id, "pair", question, image, responses, better, category, group, details)


def yes_no(
    id: str,
    question: str,
    image: str | bytes | None,
    answer: int,
    category: str,
    group: str | None = None,
    **details: Any,
) -> Item:
    """A question whose right answer is ``YES_NO[answer]``; its category is part of the key, as POPE asks one question
    of an image in several splits."""
    key = item_key(f"{category}/{id}", question, YES_NO)
    return Item(key, id, "yes_no", question, image, YES_NO, answer, category, group, details)


def describe(id: str, question: str, image: str | bytes | None, category: str, **details: Any) -> Item:
    """A text is to be written, and its objects counted."""
    return Item(item_key(id, question, ()), id, "describe", question, image, (), None, category, None, details)
