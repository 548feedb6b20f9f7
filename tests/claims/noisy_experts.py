"""Experts with known faults, made by damaging the truth: what verification is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.vocabulary import EMBEDDED
from vlrm.schema import SeenObject

if TYPE_CHECKING:
    import numpy as np


def noisy(
    truth: list[SeenObject], rng: np.random.Generator, miss: float = 0.06, wrong: float = 0.06
) -> list[SeenObject]:
    """Misses and invents objects, jitters boxes, confuses values; scores are lower where it errs."""
    seen = []
    for thing in truth:
        if rng.random() < miss:
            continue
        shift = rng.normal(0, 0.006, 2)
        x0, y0, x1, y1 = thing.box
        box = (x0 + shift[0], y0 + shift[1], x1 + shift[0], y1 + shift[1])
        attributes = {}
        for name, (value, _) in thing.attributes.items():
            if name == "text":
                if rng.random() < 0.85:
                    attributes[name] = (
                        value if rng.random() < 0.95 else value[:-1] + "X",
                        float(rng.uniform(0.6, 1)),
                    )
                continue
            if rng.random() < wrong:
                others = [v for v in EMBEDDED.values(name) if v != value]
                attributes[name] = (str(rng.choice(others)), float(rng.beta(3, 3)))
            else:
                attributes[name] = (value, float(rng.beta(8, 1.5)))
        seen.append(SeenObject(thing.noun, box, float(rng.beta(12, 1)), attributes, f"e{len(seen)}"))
    if rng.random() < 0.15:
        x, y = rng.uniform(0.2, 0.8, 2)
        noun = str(rng.choice(list(EMBEDDED.nouns)))
        colour = str(rng.choice(EMBEDDED.values("colour")))
        seen.append(
            SeenObject(noun, (x, y, x + 0.1, y + 0.1), float(rng.beta(2, 3)), {"colour": (colour, 0.5)}, "ghost")
        )
    return seen
