"""The part of the evidence benchmark about edits of human captions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from evidence_blind import Reader, blind_test
from evidence_photos import Photos, read_photos
from vlrm.claims.corpus_edits import Counterfactual, matched_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.seeing.smollm2 import HOME, set_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.schema import SeenObject

SURE = 0.75
"""Originals are at least so likely, edits at most one minus it: contradicted verdicts of that certainty are more than
95 % right by cross-validation on the calibration photos (the part "calibration")."""
OTHERS = (0.7, 0.8, 0.85, 0.9)
EACH = 5
KINDS = ("object", "count")


def caption_edits(folder: Path, data: Path) -> dict[str, Any]:
    """The figures of the edits made where original and edit are both decided with probability ``SURE``.

    ``data``: the project's data folder, where the language model of the blind test lies or is set up.
    """
    photos = read_photos(folder)
    model = data / HOME
    set_up(model)
    reader = Reader(model)
    made, liked = _edits(photos, SURE), _edits(photos, SURE, reader)
    kinds = Counter(one.edit.kind for one in made)
    return {
        "counterfactual_count": len(made), "counterfactual_truth": _truth(made, photos),
        **{f"counterfactual_count_{kind}": kinds[kind] for kind in KINDS},
        "counterfactual_images": len({one.image for one in made}),
        **blind_test(made, reader), **_numbers(photos),
        "counterfactual_curve": [_at(photos, sure) for sure in OTHERS],
        "counterfactual_both_matched_count": len(liked),
        "counterfactual_both_matched_truth": _truth(liked, photos),
        **{
            name.replace("counterfactual", "counterfactual_both_matched", 1): value
            for name, value in blind_test(liked, reader).items()
            if not name.endswith("any_folds")
        },
    }  # fmt: skip


def _edits(photos: Photos, sure: float, reader: Reader | None = None) -> list[Counterfactual]:
    """Words are matched; with ``reader`` its likelihoods are, too."""
    reliability = photos.reliability.asked(certain=sure)
    return matched_counterfactuals(
        photos.captions, photos.found, PHOTOS, kinds=KINDS, reliability=reliability, sure=sure, each=EACH,
        reader=reader and reader.likelihoods,
    )  # fmt: skip


def _at(photos: Photos, sure: float) -> dict[str, float]:
    """The same figures with another certainty; only the bag of words reads."""
    made = _edits(photos, sure)
    accuracy = blind_test(made)["counterfactual_text_only_accuracy"]
    return {"sure": sure, "edits": len(made), "truth": _truth(made, photos), "text_only": accuracy}


def _truth(made: Sequence[Counterfactual], photos: Photos) -> float:
    false = [_false(one, photos.boxes[one.image], photos.there[one.image]) for one in made]
    return round(sum(false) / max(1, len(made)), 4)


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


def _numbers(photos: Photos) -> dict[str, int]:
    """How many numbers (two and more) of COCO objects the captions give, and how many edits of them could be matched.

    The human boxes are the evidence here, taken at their word: as many as any detector could make.
    """
    claims = [
        (image, claim)
        for image, text in photos.captions
        for claim in extract_claims(text, vocabulary=PHOTOS)
        if claim.kind == "count" and claim.subject.noun in PHOTOS.nouns and (claim.count or 0) > 1
    ]
    boxes = {image: Counter(thing.noun for thing in things) for image, things in photos.boxes.items()}
    possible = {
        name: len(matched_counterfactuals(photos.captions, photos.boxes, PHOTOS, kinds=["count"], each=EACH, **options))
        for name, options in (("counts_by_boxes", {}), ("counts_by_boxes_in_one_part", {"strata": 1}))
    }
    return {
        "counterfactual_numbers": len(claims),
        "counterfactual_numbers_two": sum(claim.count == 2 for _, claim in claims),
        "counterfactual_numbers_boxed": sum(boxes[i][c.subject.noun or ""] == c.count for i, c in claims),
        **{f"counterfactual_{name}": number for name, number in possible.items()},
    }
