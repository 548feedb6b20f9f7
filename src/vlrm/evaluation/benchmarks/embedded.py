"""The report split of a run on the embedded world (or on your own images): pairs whose truth is known.

It is read from ``exam.parquet`` of a finished run's round 0. The exam holds the better answer first; here its place is
drawn from the pair's id, so that a judge of places stands at a coin's level. A group is a quad: both of its pairs have
to be right. Paraphrases of a pair, which measure consistency, are left out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source

FILE = "exam.parquet"
SPLIT = "report"


def items(source: Source) -> Iterator[Item]:
    """Pairs of the report split; the category is the part (prior-breaking scenes and so on)."""
    if not source.files:
        raise UserError(f"{source.hub}: the suite embedded is a run's own exam: give its {FILE}.")
    for record in source.records():
        row = record.values
        if row.get("split") != SPLIT or row.get("group_id") not in (None, row.get("item_id")):
            continue
        name = record.name("item_id")
        sides = (record.text("chosen", empty=True), record.text("rejected", empty=True))
        better = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2
        shown = sides if better == 0 else (sides[1], sides[0])
        yield pair(
            name, record.text("question"), record.image("image"), shown, better,
            record.name("part"), row.get("quad_id"), source=row.get("source"), kind=row.get("kind"),
        )  # fmt: skip
