"""The other half of a quad: a scene with one fact changed, on which the edited answer is the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.truth import bind
from vlrm.scenes.world import (
    COLOURS,
    LABELS,
    PATTERNS,
    SHAPES,
    SIZES,
    Attribute,
    Scene,
    add_object,
    change_one_fact,
    remove_object,
    swap_places,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from vlrm.claims.counterfactual import Edit
    from vlrm.schema import Claim, ObjectPhrase

VALUES: dict[Attribute, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "pattern": PATTERNS,
    "text": LABELS,
}


def changed_scenes(scene: Scene, edit: Edit, rng: np.random.Generator) -> Iterator[Scene]:
    """Scenes with one fact changed that may turn ``edit`` true, likeliest first; the caller checks them by
    truth."""
    before, after = edit.before, edit.after
    if edit.kind in ("attribute", "text"):
        tried = _revalued(scene, before, after, rng)
    elif edit.kind == "relation":
        tried = _swapped(scene, before)
    else:
        tried = _repopulated(scene, before, after, rng)
    yield from (changed for changed in tried if changed is not None)


def _bound(phrase: ObjectPhrase, scene: Scene) -> int | None:
    found = bind(phrase, scene.seen())
    return None if found is None else next(i for i, s in enumerate(scene.seen()) if s.evidence_id == found.evidence_id)


def _revalued(scene: Scene, before: Claim, after: Claim, rng: np.random.Generator) -> Iterator[Scene | None]:
    """The bound object with the edited value of its attribute (text is an attribute of the object too)."""
    attribute = "text" if after.kind == "text" else after.attribute
    if attribute not in VALUES or after.value is None:
        return
    # "It is not red" becomes true under any other value; else only under the value said.
    values = [after.value] if after.polarity else [str(v) for v in rng.permutation(VALUES[attribute])]
    first = _bound(before.subject, scene)
    order = sorted(range(len(scene.objects)), key=lambda index: index != first)
    for index in order:
        if attribute != "text" or scene.objects[index].text is not None:
            yield from (change_one_fact(scene, index, attribute, value, rng) for value in values)


def _swapped(scene: Scene, before: Claim) -> Iterator[Scene | None]:
    if before.other is None:
        return
    first, second = _bound(before.subject, scene), _bound(before.other, scene)
    if first is not None and second is not None and first != second:
        yield swap_places(scene, first, second)


def _repopulated(scene: Scene, before: Claim, after: Claim, rng: np.random.Generator) -> Iterator[Scene | None]:
    """Existence and count: turn one object into another shape or colour, take one away, or put one down."""
    wanted = {name: value for name, value in after.subject.attributes if name in VALUES and name != "text"}
    indices = [int(i) for i in rng.permutation(len(scene.objects))]
    fewer = after.count is not None and before.count is not None and after.count < before.count
    if fewer or (before.polarity and not after.polarity):
        yield from (remove_object(scene, index) for index in indices)
    if after.subject.noun is not None or wanted:
        for index in indices:
            if after.subject.noun not in (None, scene.objects[index].shape):
                yield change_one_fact(scene, index, "shape", after.subject.noun, rng)
            for name, value in wanted.items():
                yield change_one_fact(scene, index, name, value, rng)
    if not fewer:
        yield add_object(scene, rng, shape=after.subject.noun, **wanted)
    for index in indices:
        shape, colour = str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS)))
        yield change_one_fact(scene, index, "shape", shape, rng)
        yield change_one_fact(scene, index, "colour", colour, rng)
