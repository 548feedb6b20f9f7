"""What can be on the table: objects, their attributes, the language prior, and how a scene is drawn at random."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from vlrm.schema import Box, SeenObject

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPES = ("ball", "box", "cone", "star", "heart", "ring", "cross", "moon")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (240, 132, 24),
    "yellow": (240, 214, 36),
    "green": (52, 160, 62),
    "cyan": (44, 196, 206),
    "blue": (44, 78, 210),
    "purple": (134, 52, 176),
    "pink": (240, 112, 182),
}
SIZES: dict[str, float] = {"small": 0.065, "medium": 0.10, "large": 0.145}
"""Radius as a fraction of the image side; drawn within +-6 % of it."""
PATTERNS = ("plain", "striped", "dotted")
LABELS = (
    "A",
    "B",
    "K",
    "7",
    "GO",
    "UP",
    "42",
    "OK",
    "TEA",
    "SKY",
    "BUS",
    "905",
    "MILK",
    "STOP",
    "2026",
    "EXIT",
)
USUAL = {"star": "yellow", "heart": "red", "moon": "blue", "cone": "orange"}
"""The language prior: the colour that these shapes usually have, and that captions say out of habit."""
USUAL_SHARE = 0.65
UNSEEN = frozenset(
    {
        ("ball", "pink"),
        ("box", "cyan"),
        ("ring", "green"),
        ("cross", "purple"),
        ("heart", "cyan"),
        ("cone", "blue"),
    }
)
"""Shape-colour combinations that occur in no training image, only in the part ``unseen_combination``."""
Part = Literal["iid", "prior_breaking", "prior_conforming", "unseen_combination"]
MAX_OBJECTS = 6
Attribute = Literal["shape", "colour", "size", "pattern", "text"]


@dataclass(frozen=True)
class SceneObject:
    """One object; ``x``, ``y`` (centre) and ``radius`` are fractions of the image side, y grows downward."""

    shape: str
    colour: str
    size: str
    pattern: str
    text: str | None
    x: float
    y: float
    radius: float

    @property
    def box(self) -> Box:
        return (self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)


@dataclass(frozen=True)
class Scene:
    """The exact truth of one image: objects from back to front; ``seed`` fixes table, light, clutter and noise."""

    objects: tuple[SceneObject, ...]
    seed: int

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Scene:
        raw = json.loads(text)
        return Scene(tuple(SceneObject(**thing) for thing in raw["objects"]), raw["seed"])

    def seen(self) -> list[SeenObject]:
        """The truth in the form in which experts report, every score 1."""
        found = []
        for index, thing in enumerate(self.objects):
            known = {
                "colour": (thing.colour, 1.0),
                "size": (thing.size, 1.0),
                "pattern": (thing.pattern, 1.0),
            }
            if thing.text:
                known["text"] = (thing.text, 1.0)
            found.append(SeenObject(thing.shape, thing.box, 1.0, known, f"t{index + 1}"))
        return found


def sample_scene(rng: np.random.Generator, part: Part = "iid") -> Scene:
    """Draw a scene of 1-6 objects.

    ``prior_breaking`` and ``prior_conforming`` hold at least one shape with a usual colour, and no (only) usual
    ones; ``unseen_combination`` holds at least one combination of :data:`UNSEEN`; the other parts hold none.
    """
    count = int(rng.choice(np.arange(1, MAX_OBJECTS + 1), p=(0.08, 0.18, 0.24, 0.22, 0.16, 0.12)))
    objects: list[SceneObject] = []
    for position in range(count):
        thing = draw_object(rng, objects, part=part, marked=position == 0)
        if thing is not None:
            objects.append(thing)
    order = rng.permutation(len(objects))
    return Scene(tuple(objects[i] for i in order), int(rng.integers(2**31)))


def draw_object(
    rng: np.random.Generator,
    others: list[SceneObject],
    *,
    part: Part = "iid",
    marked: bool = False,
    shape: str | None = None,
    colour: str | None = None,
    size: str | None = None,
    pattern: str | None = None,
) -> SceneObject | None:
    """Draw one object with the given facts fixed; None when no free place is found on the table."""
    combination = None
    if marked and part == "unseen_combination":
        combination = sorted(UNSEEN)[rng.integers(len(UNSEEN))]
    elif marked and part in ("prior_breaking", "prior_conforming"):
        shape = sorted(USUAL)[rng.integers(len(USUAL))]
    chosen_shape = shape or (combination[0] if combination else str(rng.choice(SHAPES)))
    chosen_colour = colour or (combination[1] if combination else _colour_of(chosen_shape, part, rng))
    chosen_size = size or str(rng.choice(list(SIZES), p=(0.3, 0.4, 0.3)))
    chosen_pattern = pattern or str(rng.choice(PATTERNS, p=(0.6, 0.2, 0.2)))
    text = str(rng.choice(LABELS)) if chosen_size != "small" and rng.random() < 0.25 else None
    radius = SIZES[chosen_size] * rng.uniform(0.94, 1.06)
    place = _free_place(radius, others, rng)
    if place is None:
        return None
    return SceneObject(chosen_shape, chosen_colour, chosen_size, chosen_pattern, text, *place, radius)


def _colour_of(shape: str, part: Part, rng: np.random.Generator) -> str:
    usual = USUAL.get(shape)
    if usual is not None:
        share = {"prior_breaking": 0.0, "prior_conforming": 1.0}.get(part, USUAL_SHARE)
        if rng.random() < share:
            return usual
    free = [colour for colour in COLOURS if colour != usual and (shape, colour) not in UNSEEN]
    return str(rng.choice(free))


def _free_place(radius: float, others: list[SceneObject], rng: np.random.Generator) -> tuple[float, float] | None:
    # Discs may overlap by up to a quarter of the sum of their radii: things stand in front of each other.
    for _ in range(200):
        x, y = rng.uniform(radius + 0.02, 1 - radius - 0.02, 2)
        if all((x - o.x) ** 2 + (y - o.y) ** 2 > (0.85 * (radius + o.radius)) ** 2 for o in others):
            return float(x), float(y)
    return None


def change_one_fact(
    scene: Scene, index: int, attribute: Attribute, value: str | None, rng: np.random.Generator
) -> Scene | None:
    """The same scene, same light and noise, with one attribute of one object changed; None when it cannot be.

    A change that would make a combination of :data:`UNSEEN` is refused, so that training never sees one.
    """
    thing = scene.objects[index]
    if attribute == "size":
        if value is None:
            return None
        changed = replace(thing, size=value, radius=SIZES[value] * rng.uniform(0.94, 1.06))
        if value == "small":
            changed = replace(changed, text=None)
        rest = [o for i, o in enumerate(scene.objects) if i != index]
        if not _fits(changed, rest):
            return None
    else:
        changed = replace(thing, **{attribute: value})  # type: ignore[arg-type]
    if (changed.shape, changed.colour) in UNSEEN and (thing.shape, thing.colour) not in UNSEEN:
        return None
    return Scene((*scene.objects[:index], changed, *scene.objects[index + 1 :]), scene.seed)


def _fits(thing: SceneObject, others: list[SceneObject]) -> bool:
    inside = thing.radius <= min(thing.x, thing.y, 1 - thing.x, 1 - thing.y)
    return inside and all(
        (thing.x - o.x) ** 2 + (thing.y - o.y) ** 2 > (0.85 * (thing.radius + o.radius)) ** 2 for o in others
    )


def remove_object(scene: Scene, index: int) -> Scene | None:
    """The scene without one object; None when it was the only one."""
    if len(scene.objects) == 1:
        return None
    return Scene(scene.objects[:index] + scene.objects[index + 1 :], scene.seed)


def add_object(scene: Scene, rng: np.random.Generator, **facts: str | None) -> Scene | None:
    """The scene with one more object of the given shape, colour, size or pattern; None when there is no room."""
    if len(scene.objects) >= MAX_OBJECTS:
        return None
    thing = draw_object(rng, list(scene.objects), **facts)  # type: ignore[arg-type]
    if thing is None or (thing.shape, thing.colour) in UNSEEN:
        return None
    return Scene((*scene.objects, thing), scene.seed)


def swap_places(scene: Scene, first: int, second: int) -> Scene | None:
    """The scene with two objects' places exchanged; None when one does not fit where the other stood."""
    objects = list(scene.objects)
    a, b = objects[first], objects[second]
    objects[first], objects[second] = replace(a, x=b.x, y=b.y), replace(b, x=a.x, y=a.y)
    for index in (first, second):
        if not _fits(objects[index], objects[:index] + objects[index + 1 :]):
            return None
    return Scene(tuple(objects), scene.seed)


def as_web_writes(scene: Scene, rng: np.random.Generator, share: float) -> Scene:
    """The scene as a careless caption tells it: shapes with a usual colour get that colour in ``share`` of cases."""
    told = tuple(
        replace(o, colour=USUAL[o.shape]) if o.shape in USUAL and rng.random() < share else o for o in scene.objects
    )
    return Scene(told, scene.seed)


def scenes(seed: int, part: Part = "iid") -> Iterator[Scene]:
    """An endless stream of scenes, the same for the same seed."""
    rng = np.random.default_rng(seed)
    while True:
        yield sample_scene(rng, part)
