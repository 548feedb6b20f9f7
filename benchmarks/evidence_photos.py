"""The part of the evidence benchmark about verdicts on photos: COCO SSD alone, truth by human boxes and captions."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.experts.annotate import run_experts
from vlrm.experts.coco import read_truth
from vlrm.experts.config import build_experts
from vlrm.experts.measured import shipped
from vlrm.images import open_image
from vlrm.schema import Claim, ObjectPhrase, SeenObject, seen_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BATCH = 8
SEED = 0
"""Of the absent labels drawn, and of which photo's captions are read beside which photo."""
BINS = 15


@dataclass(frozen=True)
class Photos:
    """Photos by file name: what experts found, what people boxed and named, their captions, and the reliability."""

    found: dict[str, list[SeenObject]]
    there: dict[str, set[str]]
    boxes: dict[str, list[SeenObject]]
    captions: list[tuple[str, str]]
    val2017: set[str]
    reliability: Reliability


@dataclass(frozen=True)
class Judged:
    """One existence claim: its chance by the evidence, its verdict, and the truth."""

    photo: str
    probability: float
    verdict: str
    true: bool


@cache
def read_photos(folder: Path) -> Photos:
    """Everything about the photos in ``folder``; the experts see each once."""
    raw = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in raw["images"]}
    captions = [(names[one["image_id"]], one["caption"].strip()) for one in raw["annotations"]]
    boxes = read_truth(folder / "instances.json")
    there = {name: {thing.noun for thing in things} for name, things in boxes.items()}
    for name, text in captions:
        there[name] |= {noun for noun, said in _objects(text) if said}
    measured = shipped(build_experts([{"name": "coco_ssd"}]))
    if measured is None:
        raise SystemExit("The reliability shipped with coco_ssd is of other settings: measure it again.")
    found = look(folder, sorted(boxes))
    val = {image["file_name"] for image in raw["images"] if "val2017" in image["coco_url"]}
    return Photos(found, there, boxes, captions, val, Reliability.from_json(measured.verification))


def look(folder: Path, files: Sequence[str]) -> dict[str, list[SeenObject]]:
    """What COCO SSD reports of each photo."""
    experts = build_experts([{"name": "coco_ssd"}])
    found: dict[str, list[SeenObject]] = {}
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        rows = run_experts(experts, [open_image(folder / "images" / name) for name in part])
        found |= {name: seen_objects(one) for name, one in zip(part, rows, strict=True)}
    return found


def verdicts(folder: Path) -> dict[str, Any]:
    """Figures of the three sets: balanced existence claims, the photo's own captions, other photos' captions."""
    photos = read_photos(folder)
    rng = np.random.default_rng(SEED)
    balanced = _judge(photos, _balanced(photos, rng))
    own = _judge(photos, _captioned(photos, {name: name for name in photos.found}))
    other = _judge(photos, _captioned(photos, _exchanged(sorted(photos.found), rng)))
    figures = {
        **_figures("photos", balanced), "photos_claims": len(balanced),
        "photos_ece": calibration_error(*_columns(balanced)),
        **_figures("photos_val2017", [one for one in balanced if one.photo in photos.val2017]),
        **_figures("photos_own_captions", own), "photos_own_captions_claims": len(own),
        **_figures("photos_other_captions", other), "photos_other_captions_claims": len(other),
    }  # fmt: skip
    return figures | {"photos_curve": _curve(balanced)}


def _balanced(photos: Photos, rng: np.random.Generator) -> Iterable[tuple[str, str, bool]]:
    """(photo, noun, polarity): all that is present, and as many absent labels drawn by how many photos show them."""
    labels = sorted(PHOTOS.nouns)
    shown = Counter(noun for names in photos.there.values() for noun in names)
    for name in sorted(photos.found):
        present = sorted(photos.there[name])
        absent = [label for label in labels if label not in photos.there[name]]
        weight = np.array([shown[label] for label in absent], float)
        drawn = rng.choice(len(absent), size=min(len(present), int((weight > 0).sum())), replace=False,
                           p=weight / weight.sum())  # fmt: skip
        yield from ((name, noun, True) for noun in [*present, *(absent[i] for i in sorted(drawn))])


def _exchanged(names: list[str], rng: np.random.Generator) -> dict[str, str]:
    """Each photo with another one's captions: a random cycle, so that none keeps its own."""
    order = [names[i] for i in rng.permutation(len(names))]
    return dict(zip(order, [*order[1:], order[0]], strict=True))


def _captioned(photos: Photos, whose: dict[str, str]) -> Iterable[tuple[str, str, bool]]:
    """The COCO objects that the captions of photo ``whose[name]`` name, each once a caption."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in photos.captions:
        texts[name].append(text)
    for name in sorted(photos.found):
        for text in texts[whose[name]]:
            yield from ((name, noun, said) for noun, said in dict.fromkeys(_objects(text)))


def _objects(text: str) -> list[tuple[str, bool]]:
    """The COCO objects a text speaks of, and whether it says they are there."""
    phrases = [
        (phrase.noun, claim.polarity or claim.kind != "existence")
        for claim in extract_claims(text, vocabulary=PHOTOS)
        for phrase in (claim.subject, claim.other)
        if phrase is not None
    ]
    return [(noun, said) for noun, said in phrases if noun in PHOTOS.nouns]


def _judge(photos: Photos, claims: Iterable[tuple[str, str, bool]]) -> list[Judged]:
    reliability = photos.reliability.asked(existence=0.5)
    judged = []
    for photo, noun, said in claims:
        claim = Claim("existence", ObjectPhrase(noun), 0, 0, (0, 0), polarity=said)
        seen = reliability.verify(claim, photos.found[photo])
        judged.append(Judged(photo, seen.probability, seen.verdict, (noun in photos.there[photo]) == said))
    return judged


def _figures(name: str, judged: list[Judged]) -> dict[str, float | None]:
    """How often each verdict is given, its precision, and the share of all true (false) claims that it covers."""
    found: dict[str, float | None] = {}
    for verdict, truth in (("supported", True), ("contradicted", False)):
        given = [one for one in judged if one.verdict == verdict]
        right = sum(one.true == truth for one in given)
        found[f"{name}_{verdict}"] = len(given)
        everything = sum(one.true == truth for one in judged)
        found[f"{name}_{verdict}_precision"] = round(right / len(given), 4) if given else None
        found[f"{name}_{verdict}_coverage"] = round(right / everything, 4) if everything else None
    return found


def _columns(judged: list[Judged]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and truth [claims]."""
    return np.array([one.probability for one in judged]), np.array([one.true for one in judged])


def calibration_error(chance: np.ndarray, true: np.ndarray) -> float:
    """Expected calibration error over bins of equal numbers of claims (Naeini et al., 2015)."""
    bins = np.array_split(np.argsort(chance, kind="stable"), BINS)
    return round(sum(abs(float((chance[part] - true[part]).sum())) for part in bins) / len(chance), 4)


def _curve(judged: list[Judged]) -> list[dict[str, float]]:
    """Precision and coverage of both verdicts over the probability that is asked of them."""
    chance, true = _columns(judged)
    points = []
    for at in (0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99):
        point = {"at": at}
        for verdict, given, truth in (("supported", chance >= at, true), ("contradicted", chance <= 1 - at, ~true)):
            right = int((given & truth).sum())
            point[f"{verdict}_precision"] = round(right / max(1, int(given.sum())), 4)
            point[f"{verdict}_coverage"] = round(right / int(truth.sum()), 4)
        points.append(point)
    return points
