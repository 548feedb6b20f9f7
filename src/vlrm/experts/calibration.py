"""How reliable experts are: their evidence against exact truth, per expert and label."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from vlrm.experts.base import overlap
from vlrm.schema import SeenObject, seen_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vlrm.schema import Evidence

IOU = 0.5


def match(found: Sequence[SeenObject], truth: Sequence[SeenObject], iou: float = IOU) -> list[tuple[int, int]]:
    """Pairs (index in ``found``, index in ``truth``) by place alone: best overlap first, each used once."""
    offers = sorted(
        ((overlap(f.box, t.box), i, j) for i, f in enumerate(found) for j, t in enumerate(truth)),
        reverse=True,
    )
    pairs: list[tuple[int, int]] = []
    for share, i, j in offers:
        if share >= iou and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs


def reliability_report(
    evidence: Iterable[Sequence[Evidence]], truth: Iterable[Sequence[SeenObject]], iou: float = IOU
) -> dict[str, Any]:
    """Compare each image's evidence with its exact truth (same order).

    Returns:
        ``objects``: precision, recall, support (of shapes in the right place), ``count_exact`` (share of
        images with the right number of objects) and the same figures per label under ``labels`` (``count_exact`` there
        of the images on which evidence or truth has the label).
        ``attributes``: per attribute, over objects found in the right place: ``accuracy`` (share of true
        values reported exactly), ``coverage`` (share for which any value was reported), precision, recall,
        the same per value under ``labels``, and the ``confusions``. Figures for which there is no case are
        None.
    """
    hits, reported, present = Counter[str](), Counter[str](), Counter[str]()
    counted, agreed = Counter[str](), Counter[str]()
    attributes: dict[str, _Attribute] = defaultdict(_Attribute)
    images = exact = 0
    for rows, real in zip(evidence, truth, strict=True):
        found = seen_objects(rows)
        images += 1
        exact += len(found) == len(real)
        ours, theirs = Counter(f.noun for f in found), Counter(t.noun for t in real)
        reported.update(ours)
        present.update(theirs)
        counted.update({*ours, *theirs})
        agreed.update(noun for noun in theirs if ours[noun] == theirs[noun])
        for i, j in match(found, real, iou):
            hits[real[j].noun] += found[i].noun == real[j].noun
            for name in {**found[i].attributes, **real[j].attributes}:
                attributes[name].add(found[i].attributes.get(name), real[j].attributes.get(name))
    labels = {
        name: {
            **_rates(hits[name], reported[name], present[name]), "count_exact": _share(agreed[name], counted[name]),
        }
        for name in sorted(counted)
    }  # fmt: skip
    return {
        "objects": {
            **_rates(hits.total(), reported.total(), present.total()),
            "count_exact": _share(exact, images),
            "labels": labels,
        },
        "attributes": {name: attributes[name].report() for name in sorted(attributes)},
    }


class _Attribute:
    """Counts of one attribute over matched objects."""

    def __init__(self) -> None:
        self.right, self.said, self.real = Counter[str](), Counter[str](), Counter[str]()
        self.given = 0
        self.confusions = Counter[str]()

    def add(self, found: tuple[str, float] | None, real: tuple[str, float] | None) -> None:
        said, true = found[0] if found else None, real[0] if real else None
        if said is not None:
            self.said[said] += 1
        if true is not None:
            self.real[true] += 1
            self.given += said is not None
        if said is not None and said == true:
            self.right[said] += 1
        elif said != true:
            self.confusions[f"{true or '(none)'} -> {said or '(none)'}"] += 1

    def report(self) -> dict[str, Any]:
        total = self.right.total()
        return {
            "accuracy": _share(total, self.real.total()),
            "coverage": _share(self.given, self.real.total()),
            **_rates(total, self.said.total(), self.real.total()),
            "labels": {v: _rates(self.right[v], self.said[v], self.real[v]) for v in sorted({*self.real, *self.said})},
            "confusions": dict(self.confusions.most_common(20)),
        }


def _rates(hits: int, reported: int, present: int) -> dict[str, Any]:
    return {"precision": _share(hits, reported), "recall": _share(hits, present), "support": present}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
