"""HallusionBench (arXiv 2310.14566): yes-or-no questions over figures that were changed, and over none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import NO, YES, yes_no

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source

FIELDS = ("subcategory", "visual_input", "set_id", "figure_id", "question_id")


def items(source: Source) -> Iterator[Item]:
    """The category is VD (visual dependent) or VS (visual supplement: it can be answered without its figure).

    ``filename`` may be null: the question is then about no image. The group is one question over all figures of its
    set, which are what qAcc asks to be right together; ``details`` hold :data:`FIELDS` as texts, for fAcc and qAcc.
    """
    for record in source.records():
        category = record.text("category")
        details = {name: record.name(name) for name in FIELDS}
        place = "/".join((category, details["subcategory"], details["set_id"]))
        yield yes_no(
            f"{place}/{details['figure_id']}/{details['question_id']}", record.text("question"),
            record.image("filename", optional=True),
            record.one_of("gt_answer", {"1": YES, "0": NO, 1: YES, 0: NO}), category,
            group=f"{place}/{details['question_id']}", **details,
        )  # fmt: skip
