"""Re-draws a scene with one fact changed, so that an edited claim is the true one there: the other half of a quad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.truth import bind, holds
from vlrm.scenes.world import (
    COLOURS,
    MAX_OBJECTS,
    SHAPES,
    Scene,
    add_object,
    change_one_fact,
    remove_object,
    swap_places,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from vlrm.schema import Claim, ObjectPhrase


def redraw(scene: Scene, before: Claim, after: Claim, rng: np.random.Generator) -> Scene | None:
    """The scene changed in one fact such that ``after`` holds and ``before`` does not; None when no change does it."""
    for changed in _candidates(scene, before, after, rng):
        if changed is None:
            continue
        seen = changed.seen()
        if holds(after, seen) and not holds(before, seen):
            return changed
    return None


def _candidates(scene: Scene, before: Claim, after: Claim, rng: np.random.Generator) -> Iterator[Scene | None]:
    if before.kind in ("attribute", "text"):
        index = _index(scene, before.subject)
        if index is not None:
            name = "text" if before.kind == "text" else before.attribute
            yield change_one_fact(scene, index, name, after.value, rng)  # type: ignore[arg-type]
    elif before.kind == "relation" and before.other is not None:
        first, second = _index(scene, before.subject), _index(scene, before.other)
        if first is not None and second is not None and first != second:
            yield swap_places(scene, first, second)
    elif before.kind == "count" and before.count is not None and after.count is not None:
        yield from _change_count(scene, before.subject, after.count - before.count, rng)
    elif before.polarity and not after.polarity:
        yield from _take_away(scene, before.subject, rng)
    elif after.polarity and not before.polarity:
        yield from _put_in(scene, after.subject, rng)
    else:
        index = _index(scene, before.subject)
        if index is not None and after.subject.noun in SHAPES:
            yield change_one_fact(scene, index, "shape", after.subject.noun, rng)


def _index(scene: Scene, phrase: ObjectPhrase) -> int | None:
    found = bind(phrase, scene.seen())
    return int(found.evidence_id[1:]) - 1 if found is not None else None


def _matching(scene: Scene, phrase: ObjectPhrase) -> list[int]:
    wanted = dict(phrase.attributes)
    return [
        index
        for index, thing in enumerate(scene.objects)
        if phrase.noun in (None, thing.shape) and all(getattr(thing, name) == value for name, value in wanted.items())
    ]


def _change_count(scene: Scene, phrase: ObjectPhrase, change: int, rng: np.random.Generator) -> Iterator[Scene | None]:
    matching = _matching(scene, phrase)
    if change == -1 and matching:
        victim = int(matching[rng.integers(len(matching))])
        if phrase.noun is not None:
            others = [shape for shape in SHAPES if shape != phrase.noun]
            yield change_one_fact(scene, victim, "shape", str(rng.choice(others)), rng)
        yield remove_object(scene, victim)
    elif change == 1:
        yield from _put_in(scene, phrase, rng)


def _put_in(scene: Scene, phrase: ObjectPhrase, rng: np.random.Generator) -> Iterator[Scene | None]:
    facts = {name: value for name, value in phrase.attributes if name in ("colour", "size", "pattern")}
    if len(scene.objects) < MAX_OBJECTS:
        yield add_object(scene, rng, shape=phrase.noun, **facts)
    if phrase.noun is None or "size" in facts:
        return
    for index in rng.permutation(len(scene.objects)):
        changed: Scene | None = change_one_fact(scene, int(index), "shape", phrase.noun, rng)
        for name, value in facts.items():
            if changed is not None:
                changed = change_one_fact(changed, int(index), name, value, rng)  # type: ignore[arg-type]
        yield changed


def _take_away(scene: Scene, phrase: ObjectPhrase, rng: np.random.Generator) -> Iterator[Scene | None]:
    matching = _matching(scene, phrase)
    if len(matching) != 1:
        return
    if phrase.get("colour"):
        others = [colour for colour in COLOURS if colour != phrase.get("colour")]
        yield change_one_fact(scene, matching[0], "colour", str(rng.choice(others)), rng)
    if phrase.noun is not None:
        others = [shape for shape in SHAPES if shape != phrase.noun]
        yield change_one_fact(scene, matching[0], "shape", str(rng.choice(others)), rng)
    yield remove_object(scene, matching[0])
