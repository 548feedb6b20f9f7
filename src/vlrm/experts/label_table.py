"""How reliable a detector is, label by label: boxes, counts and mere presence against exact truth."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from vlrm.experts.calibration import IOU, match
from vlrm.schema import seen_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vlrm.schema import Evidence, SeenObject

EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Scores are counted in the bins these limits make; bin 0 holds what is below the first, silence included."""


def label_table(
    evidence: Iterable[Sequence[Evidence]],
    truth: Iterable[Sequence[SeenObject]],
    labels: Sequence[str],
    score: float = 0.4,
    iou: float = IOU,
) -> dict[str, Any]:
    """Each image's evidence against its exact truth (same order), as JSON values.

    Args:
        labels: what the detector can report; other nouns of the truth are left out.
        score: detections below it do not count for precision, recall and counts. ``presence`` has them all.

    Returns:
        ``all`` and, under ``labels``, the same of each label that truth or evidence ever names:
        ``precision``, ``recall``, ``support`` (objects; a match has the label and IoU ``iou`` or more);
        ``count_exact``: of the ``count_images`` on which truth or evidence has the label, the share where both have
        the same number; ``presence``: for each bin of the label's best score on an image ([< .1, .1-.2, ...]) the
        number of images that do not and that do show it. A share of nothing is None.
    """
    hits, reported, present = Counter[str](), Counter[str](), Counter[str]()
    exact, counted = Counter[str](), Counter[str]()
    bins: dict[str, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in range(len(EDGES) + 1)])
    images = 0
    for rows, real in zip(evidence, truth, strict=True):
        images += 1
        known = [thing for thing in real if thing.noun in labels]
        seen = seen_objects(rows)
        sure = [thing for thing in seen if thing.score >= score]
        reported.update(thing.noun for thing in sure)
        present.update(thing.noun for thing in known)
        for label in labels:
            ours, theirs = ([t for t in things if t.noun == label] for things in (sure, known))
            hits[label] += len(match(ours, theirs, iou))
            if ours or theirs:
                counted[label] += 1
                exact[label] += len(ours) == len(theirs)
            best = max((t.score for t in seen if t.noun == label), default=0.0)
            bins[label][bisect_right(EDGES, best)][bool(theirs)] += 1

    def row(names: Sequence[str]) -> dict[str, Any]:
        right, said, real_ones = (sum(counter[n] for n in names) for counter in (hits, reported, present))
        same, of = (sum(counter[n] for n in names) for counter in (exact, counted))
        return {
            "precision": _share(right, said), "recall": _share(right, real_ones), "support": real_ones,
            "count_exact": _share(same, of), "count_images": of,
            "presence": [[sum(bins[n][b][t] for n in names) for t in (0, 1)] for b in range(len(EDGES) + 1)],
        }  # fmt: skip

    named = [label for label in labels if present[label] or any(sum(pair) for pair in bins[label][1:])]
    return {
        "images": images, "iou": iou, "score": score, "score_edges": list(EDGES),
        "all": row(labels), "labels": {label: row([label]) for label in sorted(named)},
    }  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
