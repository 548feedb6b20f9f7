"""Critiques of exam items: they need the critic alone, so they can be written before there is a reward model to read
them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlrm.policy.local import generate
from vlrm.reward.scoring import critique_requests
from vlrm.schema import EXAM_CRITIQUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from vlrm.critiques.templates.template import Template
    from vlrm.policy.protocol import Sampling
    from vlrm.vlm import Vlm

SIDES = ("chosen", "rejected")
Key = tuple[str, str, str, int]
"""Item, the reference of the image that is shown, side, critique seed."""


@dataclass
class ExamCritic:
    """A critic at an exam. What it has written before it says again; it is loaded for what is new only."""

    load: Callable[[], Vlm]
    template: Template
    sampling: Sampling
    seed: int
    written: Mapping[Key, str] = field(default_factory=dict)

    def write(self, items: Sequence[dict[str, Any]], images: Sequence[str], samples: int) -> list[str]:
        """Critiques of both sides of ``items``, shown with ``images``, without evidence: item by item, side by side,
        ``samples`` each."""
        keys = list(_keys(items, images, samples))
        new = [
            (f"{item['item_id']}-{side}", image, item["question"], item[side])
            for item, image in zip(items, images, strict=True)
            for side in SIDES
            if (item["item_id"], image, side, 0) not in self.written
        ]
        fresh: Iterator[str] = iter(())
        if new:
            asked = list(critique_requests(new, range(samples), self.seed, self.template))
            fresh = iter([self.template.tidy(text) for text in generate(self.load(), asked, self.sampling)])
        return [self.written[key] if key in self.written else next(fresh) for key in keys]

    def table(self, items: Sequence[dict[str, Any]], images: Sequence[str], samples: int) -> list[dict[str, Any]]:
        """EXAM_CRITIQUES rows of what :meth:`write` writes."""
        return [
            {"item_id": item, "image": image, "side": side, "sample": sample, "text": text}
            for (item, image, side, sample), text in zip(
                _keys(items, images, samples), self.write(items, images, samples), strict=True
            )
        ]


def written(critiques: pa.Table) -> dict[Key, str]:
    """An EXAM_CRITIQUES table as :class:`ExamCritic` reads it."""
    rows = critiques.cast(EXAM_CRITIQUES).to_pylist()
    return {(row["item_id"], row["image"], row["side"], row["sample"]): row["text"] for row in rows}


def _keys(items: Sequence[dict[str, Any]], images: Sequence[str], samples: int) -> Iterator[Key]:
    for item, image in zip(items, images, strict=True):
        for side in SIDES:
            for sample in range(samples):
                yield item["item_id"], image, side, sample
