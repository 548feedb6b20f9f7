"""The part of the evidence benchmark about how a score becomes a probability: chosen on calibration photos alone.

Two ways to say from a detector's best score whether a noun is there: counts in bins of the score, shrunk per label, and
:class:`vlrm.claims.presence.Presence`. Both are fitted on some of the calibration photos and judged on the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evidence_photos import calibration_error, look
from vlrm.claims.calibration import calibration_claims, calibration_examples, how_common
from vlrm.claims.english import PHOTOS
from vlrm.claims.presence import Presence
from vlrm.claims.reliability import Reliability
from vlrm.experts.coco import LABELS, read_truth
from vlrm.schema import ObjectPhrase, SeenObject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Scene = tuple[list[SeenObject], list[SeenObject]]
FOLDS = 8
DRAWS = 10
"""How often the absent nouns of a photo are drawn."""
SHRINK = 40.0
"""As in conf/photos, for the counts."""
CERTAIN = (0.75, 0.85, 0.9)
CLEAR = 0.3
WAYS = ("counts", "presence")


def cross_validated(folder: Path) -> dict[str, Any]:
    """Figures of both ways: photos dealt into folds, and fitted on the photos that show less, judged on the fuller."""
    truth = read_truth(folder / "instances.json")
    found = look(folder, sorted(truth))
    scenes = [(truth[name], found[name]) for name in sorted(truth)]
    fold = np.random.default_rng(0).permutation(len(scenes)) % FOLDS
    seen = np.array([sum(thing.score >= CLEAR for thing in evidence) for _, evidence in scenes])
    fuller = np.argsort(np.argsort(seen, kind="stable")) >= len(scenes) // 2
    figures: dict[str, Any] = {"calibration_photos": len(scenes)}
    for name, splits in {"folds": [fold == k for k in range(FOLDS)], "fuller": [fuller]}.items():
        judged = [_judged(scenes, held_out) for held_out in splits]
        for number, way in enumerate(WAYS):
            chance = np.concatenate([one[number] for one in judged])
            figures |= _figures(f"calibration_{name}_{way}", chance, np.concatenate([one[-1] for one in judged]))
    return figures


def _judged(scenes: Sequence[Scene], held_out: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each way the probabilities of the claims about the photos held out [claims], and the claims' truth."""
    train = [scene for scene, out in zip(scenes, held_out, strict=True) if not out]
    common = how_common(truth for truth, _ in train)
    counts = Reliability.fit(
        calibration_examples(train, np.random.default_rng(0), PHOTOS, common), {"existence": 0.5}, shrink=SHRINK
    )
    presence = Reliability(counts.likelihoods, counts.weights, counts.priors, presence=Presence.fit(train, LABELS))
    rng = np.random.default_rng(1)
    rows = []
    for truth, evidence in (scene for scene, out in zip(scenes, held_out, strict=True) if out):
        for claim in (claim for _ in range(DRAWS) for claim in calibration_claims(truth, rng, PHOTOS, common)):
            if claim.kind == "existence" and claim.polarity and claim.subject == ObjectPhrase(claim.subject.noun):
                there = any(thing.noun == claim.subject.noun for thing in truth)
                rows.append([*(way.verify(claim, evidence).probability for way in (counts, presence)), there])
    return tuple(np.array(rows).T)


def _figures(name: str, chance: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    true = truth.astype(bool)
    loss = -float(np.mean(np.log(np.where(true, chance, 1 - chance))))
    found = {f"{name}_log_loss": round(loss, 4), f"{name}_ece": calibration_error(chance, true)}
    for certain in CERTAIN:
        for verdict, given in (("supported", chance >= certain), ("contradicted", chance <= 1 - certain)):
            right = true if verdict == "supported" else ~true
            found[f"{name}_{verdict}_{certain}_precision"] = round(float(right[given].mean()), 4)
    return found
