"""What a noun means beside what the text has spoken of: the calf of an elephant, the cars of a train."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.drafts import Entity
    from vlrm.claims.english.phrases import Phrase
    from vlrm.claims.english.state import Link

_ANIMALS = ("elephant", "giraffe", "zebra", "bear", "bird", "cat", "cow", "dog", "horse", "sheep")
_YOUNG = {"calf": ("elephant", "giraffe"), "foal": ("zebra",)}
"""Words for young animals that other nouns have, too."""
_GROWN = frozenset({"adult", "adults"})


def meant_by(said: Phrase, entities: Sequence[Entity], link: Link | None) -> tuple[str | None, str]:
    """The noun and the kind that a phrase means after ``entities``, as an object of ``link`` (both as read so far)."""
    if said.noun == "car" and link is not None and link.relation in ("with", "pulling"):
        of_train = bool(link.subjects) and link.subjects[0].noun == "train"
        return ("train car", "") if of_train else (said.noun, said.kind)
    kin: tuple[str, ...] = _YOUNG.get(said.kind, ())
    kind = said.kind
    if not any(one.noun == "person" for one in entities):
        if kind == "baby" and said.determiner == "poss":
            kin = _ANIMALS  # "a bear and its baby"
        elif said.head.raw.lower() in _GROWN:
            kin, kind = _ANIMALS, "adult"  # "the bears, two adults and a cub"
    parent = next((entity.noun for entity in reversed(entities) if entity.noun in kin), None)
    return (said.noun, said.kind) if parent is None else (parent, kind)
