"""The part of the evidence benchmark about edits of human captions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from evidence_photos import read_photos
from vlrm.claims.corpus_edits import Counterfactual, matched_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.claims.reliability import CERTAIN, Reliability
from vlrm.evaluation.baselines import text_only_margin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.schema import SeenObject

BATCH = 8
KINDS = ("object", "count")


def caption_edits(folder: Path, sure: float = CERTAIN, each: int = 5) -> dict[str, Any]:
    """The figures of the edits, made where original and edit are both decided with probability ``sure``."""
    photos = read_photos(folder)
    known = photos.reliability
    reliability = Reliability(known.likelihoods, known.weights, known.priors, sure)
    made = matched_counterfactuals(
        photos.captions, photos.found, PHOTOS, kinds=KINDS, reliability=reliability, sure=sure, each=each
    )
    false = [_false(one, photos.boxes[one.image], photos.there[one.image]) for one in made]
    kinds = Counter(one.edit.kind for one in made)
    return {
        "counterfactual_count": len(made), "counterfactual_truth": round(sum(false) / max(1, len(made)), 4),
        **{f"counterfactual_count_{kind}": kinds[kind] for kind in KINDS},
        "counterfactual_images": len({one.image for one in made}),
        **text_only(made),
    }  # fmt: skip


def _false(one: Counterfactual, truth: Sequence[SeenObject], there: set[str]) -> bool:
    """Whether the edited claim is false by the boxes (``truth``) and by what people boxed or named (``there``)."""
    noun = one.edit.after.subject.noun or ""
    boxes = sum(thing.noun == noun for thing in truth)
    if one.edit.kind == "object":
        return not boxes and noun not in there
    # A number is false where the boxes give another; "three men" among five persons may be true.
    return (
        boxes != one.edit.after.count
        if one.edit.after.subject.get("kind") is None
        else boxes < (one.edit.after.count or 0)
    )


def text_only(made: Sequence[Counterfactual]) -> dict[str, float]:
    """Accuracy of a classifier that reads only the texts, 5-fold by image: the parts that were matched, and any parts.

    The higher of the two counts. Folds that cut across the matched parts leave the classifier with the reverse of what
    it is asked about (what is said too often in four folds is said too seldom in the fifth), so it falls below chance
    there: what is left to know for a reader who inverts it is the matching itself, not the language.
    """
    exam = pl.DataFrame({"chosen": [one.response for one in made], "rejected": [one.edit.text for one in made]})
    images = {name: place for place, name in enumerate(sorted({one.image for one in made}))}
    clusters = {
        "matched_folds": np.array([one.stratum for one in made]),
        "any_folds": np.array([images[one.image] for one in made]),
    }
    found = {}
    for name, cluster in clusters.items():
        margin = text_only_margin(exam, cluster)
        right = [0.5 if abs(m) <= 1e-9 else float(m > 0) for m in margin]
        found[f"counterfactual_text_only_{name}"] = round(float(np.mean(right)), 4)
    return {"counterfactual_text_only_accuracy": max(found.values()), **found}
