"""One question of a benchmark, the same type for every benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Task = Literal["pair", "yes_no", "describe"]
"""``pair``: which of two answers is better; ``yes_no``: a question with one right word, which is a pair of the
answers :data:`YES_NO`; ``describe``: a text is written and its objects are counted (AMBER's generative part)."""
YES_NO = ("Yes", "No")


@dataclass(frozen=True, slots=True)
class Item:
    """What a benchmark asks, in the order of its file.

    Attributes:
        key: unique within the benchmark; made of the content where the file's own ids repeat.
        id: the file's own id, for people who look it up.
        image: a path relative to the folder of images, the encoded bytes where the file holds them, or None for a
            question that is about no image.
        responses: the two answers in the file's order; :data:`YES_NO` for ``yes_no``; none for ``describe``.
        better: index of the right answer in ``responses``; None for ``describe``.
        category: the benchmark's own split, by which accuracies are reported and macro averages are taken.
        group: items that have to be right together (Acc+), None where the benchmark has no groups.
        details: what the benchmark's own figures need besides (a figure id, AMBER's word lists).
    """

    key: str
    id: str
    task: Task
    question: str
    image: str | bytes | None
    responses: tuple[str, ...]
    better: int | None
    category: str
    group: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
