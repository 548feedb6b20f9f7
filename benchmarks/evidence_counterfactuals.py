"""The part of the evidence benchmark about edits of human captions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evidence_blind import Reader, blind_test
from evidence_photos import Photos, read_photos
from vlrm.claims.corpus_edits import Counterfactual, matched_counterfactuals
from vlrm.claims.corpus_quads import quad_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.seeing.smollm2 import HOME, set_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SURE = 0.75
"""Originals are at least so likely, edits at most one minus it: contradicted verdicts of that certainty are more than
95 % right by cross-validation on the calibration photos (the part "calibration")."""
OTHERS = (0.7, 0.8, 0.85, 0.9)
EACH = 5
EACH_QUAD = 3
KINDS = ("object", "count")


def caption_edits(folder: Path, data: Path) -> dict[str, Any]:
    """The figures of the edits made where original and edit are both decided with probability ``SURE``.

    ``data``: the project's data folder, where the language model of the blind test lies or is set up.
    """
    photos = read_photos(folder)
    model = data / HOME
    set_up(model)
    reader = Reader(model)
    quads, words = _quads(photos, SURE), _words_matched(photos, SURE)
    return {
        **_figures("counterfactual", quads, photos, reader),
        "counterfactual_quads": len(quads) // 2,
        "counterfactual_preferred_true": _preferred_true(quads, photos),
        **_figures("counterfactual_words_matched", words, photos, reader), **_numbers(photos),
        "counterfactual_curve": [_at(photos, sure) for sure in OTHERS],
    }  # fmt: skip


def _figures(name: str, made: Sequence[Counterfactual], photos: Photos, reader: Reader) -> dict[str, Any]:
    """How many edits of which kind, how many of them are really false, and what sees through them without the photo."""
    kinds = Counter(one.edit.kind for one in made)
    blind = blind_test(made, reader)
    return {
        f"{name}_count": len(made), f"{name}_truth": _truth(made, photos),
        **{f"{name}_count_{kind}": kinds[kind] for kind in KINDS},
        f"{name}_images": len({one.image for one in made}),
        **{key.replace("counterfactual", name, 1): value for key, value in blind.items()},
    }  # fmt: skip


def _quads(photos: Photos, sure: float) -> list[Counterfactual]:
    reliability = photos.reliability.asked(certain=sure)
    return quad_counterfactuals(
        photos.captions, photos.found, PHOTOS, kinds=KINDS, reliability=reliability, sure=sure, each=EACH_QUAD
    )


def _words_matched(photos: Photos, sure: float) -> list[Counterfactual]:
    reliability = photos.reliability.asked(certain=sure)
    return matched_counterfactuals(
        photos.captions, photos.found, PHOTOS, kinds=KINDS, reliability=reliability, sure=sure, each=EACH
    )


def _at(photos: Photos, sure: float) -> dict[str, float]:
    """How many there are with another certainty, how many really false; of quads then of edits matched by words, of
    which the bag of words tells so many."""
    quads, words = _quads(photos, sure), _words_matched(photos, sure)
    return {
        "sure": sure, "quads": len(quads) // 2, "quads_truth": _truth(quads, photos), "words_matched": len(words),
        "words_matched_truth": _truth(words, photos),
        "words_matched_text_only": blind_test(words)["counterfactual_text_only_accuracy"],
    }  # fmt: skip


def _preferred_true(made: Sequence[Counterfactual], photos: Photos) -> float:
    """Share of counterfactuals whose preferred text is right, by boxes and captions, where the other one is edited."""
    right = [not _false(replace(one, edit=replace(one.edit, after=one.edit.before)), photos) for one in made]
    return round(sum(right) / max(1, len(made)), 4)


def _truth(made: Sequence[Counterfactual], photos: Photos) -> float:
    false = [_false(one, photos) for one in made]
    return round(sum(false) / max(1, len(made)), 4)


def _false(one: Counterfactual, photos: Photos) -> bool:
    """Whether the edited claim is false by the boxes and by what people boxed or named."""
    truth, there = photos.boxes[one.image], photos.there[one.image]
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
