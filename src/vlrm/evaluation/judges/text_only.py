"""A judge that has learned from the benchmark's own answers without an image: how far language alone goes there."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vlrm.evaluation.baselines import FOLDS, text_only_margin
from vlrm.evaluation.judges.protocol import TIE, Judgement

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.bootstrap import Ints

MOST = 20_000
"""Items that are learned from and judged: the texts of all are in memory at once."""
GENERIC = 5
"""A question asked about more images than this ("Describe this image.") tells nothing of an answer."""
VERSION = 1
"""Part of the fingerprint: to be raised when the judge changes."""


@dataclass(frozen=True)
class _Case:
    key: str
    chosen: str
    rejected: str
    better: int
    links: tuple[Hashable, ...]
    question: str


class TextOnly:
    """1-2-gram logistic regression on pair differences (:func:`vlrm.evaluation.baselines.text_only_margin`), 5-fold.

    No item is judged by a model that was fitted on its image, on an item of its group, or, of pairs, on its question,
    unless more than :data:`GENERIC` images are asked it. Of a pair the answers' words are read, of a yes-or-no question
    the question's: that one object is more often there than another is just what language alone can know, so
    the same question about other images is learned from.

    The labels of the benchmark are used, which is why this is a floor and no reward model.
    """

    name = "text_only"
    looks = False
    ordered = False

    def __init__(self, items: Iterable[Item], seed: int = 0, most: int = MOST) -> None:
        """Learns from ``items``, the whole benchmark; of more than ``most`` those of the smallest keys are taken."""
        cases: dict[str, list[_Case]] = {"pair": [], "yes_no": []}
        kept = {item.key: item for item in _smallest(items, most)}
        for item in kept.values():
            cases[item.task].append(_case(item))
        self._margins: dict[str, tuple[float, int]] = {}
        for task, of_task in cases.items():
            if of_task:
                self._learn(of_task, task, seed)
        content = "\n".join(sorted(f"{key} {item.better}" for key, item in kept.items()))
        about = f"text_only {VERSION} {seed} {most}\n{content}"
        self.fingerprint = hashlib.sha256(about.encode()).hexdigest()

    def _learn(self, cases: Sequence[_Case], task: str, seed: int) -> None:
        frame = pl.DataFrame({"chosen": [one.chosen for one in cases], "rejected": [one.rejected for one in cases]})
        margins = text_only_margin(frame, clusters_of(cases, by_question=task == "pair"), seed)
        for case, margin in zip(cases, margins, strict=True):
            self._margins[case.key] = (float(margin), case.better)

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """One judgement of each item, by the model that knows nothing of it; rewards are half the margin each way."""
        return [[self._judged(item)] for item in items]

    def _judged(self, item: Item) -> Judgement:
        if item.key not in self._margins:
            return Judgement(0, 0, None, problem=f"It is not among the {len(self._margins)} items learned from.")
        margin, better = self._margins[item.key]
        if not math.isfinite(margin):
            return Judgement(0, 0, None, problem=f"There are fewer than {FOLDS} images: no model is without this one.")
        first = margin if better == 0 else -margin
        preferred = TIE if first == 0 else int(first < 0)
        return Judgement(0, 0, preferred, first / 2, -first / 2)


def _smallest(items: Iterable[Item], most: int) -> list[Item]:
    """Items to judge, at most ``most``: those of the smallest keys, which are hashes, so a draw that is always the
    same."""
    kept: list[Item] = []
    for item in items:
        if item.task != "describe":
            kept.append(item)
        if len(kept) >= 2 * most:
            kept = sorted(kept, key=_key)[:most]
    return kept if len(kept) <= most else sorted(kept, key=_key)[:most]


def _key(item: Item) -> str:
    return item.key


def _case(item: Item) -> _Case:
    """``chosen`` and ``rejected`` of a yes-or-no question are the question and nothing, or turned round: their
    difference is then the question's words with the sign of the answer."""
    better = item.better or 0
    image = hashlib.sha256(item.image).digest() if isinstance(item.image, bytes) else item.image
    links = [("image", image)] if image is not None else [("question", item.question)]
    if item.group is not None:
        links.append(("group", item.group))
    sides = item.responses if item.task == "pair" else (item.question, "")
    return _Case(item.key, sides[better], sides[1 - better], better, tuple(links), item.question)


def clusters_of(cases: Sequence[_Case], by_question: bool) -> Ints:
    """A number for each case; cases that share an image, a group or (if asked) a telling question share it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[Hashable, int] = {}
    ties = [(row, link) for row, case in enumerate(cases) for link in case.links]
    if by_question:
        generic = _generic(cases)
        ties += [(row, ("question", case.question)) for row, case in enumerate(cases) if case.question not in generic]
    rows = np.array([row for row, _ in ties])
    nodes = np.array([numbers.setdefault(link, len(numbers)) for _, link in ties]) + len(cases)
    size = len(cases) + len(numbers)
    _, component = connected_components(coo_array((np.ones(len(ties)), (rows, nodes)), shape=(size, size)))
    return np.asarray(component[: len(cases)], dtype=np.int64)


def _generic(cases: Sequence[_Case]) -> frozenset[str]:
    images: dict[str, set[Hashable]] = {}
    for case in cases:
        images.setdefault(case.question, set()).add(case.links[0])
    return frozenset(question for question, shown in images.items() if len(shown) > GENERIC)
