"""Rendered scenes with exact truth, and the evidence of the shipped experts about them."""

from dataclasses import dataclass
from itertools import islice

import pytest
from PIL import Image
from shipped_detector import SHIPPED

from vlrm.experts.annotate import run_experts
from vlrm.experts.config import EMBEDDED, build_experts
from vlrm.scenes.render import render
from vlrm.scenes.world import Scene, scenes
from vlrm.schema import Evidence, SeenObject


@dataclass
class Drawn:
    scenes: list[Scene]
    images: list[Image.Image]
    truth: list[list[SeenObject]]
    objects: list[list[Evidence]]
    """The true objects as if a perfect detector had found them: what attribute experts are tried on alone."""


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    taken = list(islice(scenes(987_654_321), 60))
    objects = [
        [Evidence(f"d{i}", "object", o.shape, o.box, 0.9, "drawn", "") for i, o in enumerate(scene.objects, start=1)]
        for scene in taken
    ]
    return Drawn(taken, [render(scene) for scene in taken], [scene.seen() for scene in taken], objects)


@pytest.fixture(scope="session")
def experts():
    return build_experts(
        [
            {"name": config.name, "settings": {"weights": SHIPPED} if config.name == "detector" else {}}
            for config in EMBEDDED
        ]
    )


@pytest.fixture(scope="session")
def evidence(drawn, experts) -> list[list[Evidence]]:
    found = []
    for start in range(0, len(drawn.images), 20):
        found += run_experts(experts, drawn.images[start : start + 20])
    return found
