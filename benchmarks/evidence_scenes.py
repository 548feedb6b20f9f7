"""The part of the evidence benchmark about the embedded world."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from vlrm.claims.calibration import calibration_claims, calibration_examples
from vlrm.claims.reliability import Reliability
from vlrm.claims.truth import holds
from vlrm.experts.annotate import run_experts
from vlrm.experts.config import build_experts
from vlrm.scenes.render import render
from vlrm.scenes.world import Scene, scenes
from vlrm.schema import SeenObject, seen_objects

CALIBRATION, TEST = (9_001, 400), (77_001, 150)
"""Seed and number of the scenes the reliability is counted on, and of those that are scored."""
BATCH = 32


def verdicts() -> dict[str, Any]:
    """Precision of the verdicts that are given, and the share of claims without one."""
    rng = np.random.default_rng(0)
    known, scored = _seen(*CALIBRATION), _seen(*TEST)
    reliability = Reliability.fit(calibration_examples([(scene.seen(), seen) for scene, seen in known], rng))
    right = given = total = 0
    for scene, seen in scored:
        truth = scene.seen()
        for claim in calibration_claims(truth, rng):
            verdict = reliability.verify(claim, seen).verdict
            total += 1
            if verdict != "unverifiable":
                given += 1
                right += (verdict == "supported") == holds(claim, truth)
    return {
        "scenes_verdict_precision": round(right / given, 4), "scenes_unverifiable": round(1 - given / total, 4),
        "scenes_claims": total,
    }  # fmt: skip


def _seen(seed: int, number: int) -> list[tuple[Scene, list[SeenObject]]]:
    experts = build_experts()
    drawn = list(islice(scenes(seed), number))
    found = []
    for start in range(0, number, BATCH):
        part = drawn[start : start + BATCH]
        rows = run_experts(experts, [render(scene) for scene in part])
        found += [(scene, seen_objects(one)) for scene, one in zip(part, rows, strict=True)]
    return found
