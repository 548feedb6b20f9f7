"""MM-RLHF-RewardBench (arXiv 2502.10391): JSONL of chosen and rejected answers; some are about a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.evaluation.benchmarks.building import pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.benchmarks.source import Source


def items(source: Source) -> Iterator[Item]:
    """The category is the first folder of the path (mcq, long, short, safety, video); the pairs of one id are a group,
    all of which Acc+ asks for.

    A video's path stands where an image's would: no image file has that name, so such an item is reported as missing
    its image, and never judged as if it were about none.
    """
    for record in source.records():
        name = record.name("id")
        shown = record.image("image", "video")
        yield pair(
            name, record.text("prompt"), shown,
            (record.text("chosen", empty=True), record.text("rejected", empty=True)), 0,
            shown.split("/")[0] if isinstance(shown, str) else "all", group=name,
        )  # fmt: skip
