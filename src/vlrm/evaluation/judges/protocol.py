"""What every judge is: it says of two answers which is better, and how it came to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item

View = Literal["image", "blank", "swapped"]
"""What the judge is shown: the item's image, a grey one of its size, or the image of another item."""
TIE = -1

JUDGED = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("view", pa.string(), nullable=False),
        pa.field("order", pa.int8(), nullable=False),
        pa.field("vote", pa.int16(), nullable=False),
        pa.field("preferred", pa.int8()),
        pa.field("reward_0", pa.float64()),
        pa.field("reward_1", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("problem", pa.string()),
    ]
)
"""Item-level results, one row for each item, view, order and vote.

``order`` is 0 where the answers were shown as in the file, 1 where the other way round; ``preferred`` and the rewards
are by the item's own order whatever was shown: 0 or 1, :data:`TIE`, null where nothing could be read from ``text``
(unparsed) or where ``problem`` says why the item was not judged. Rewards are null for judges that give none."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of :data:`JUDGED` less its key and view."""

    order: int
    vote: int
    preferred: int | None
    reward_0: float | None = None
    reward_1: float | None = None
    text: str | None = None
    problem: str | None = None


class Judge(Protocol):
    """Something that can be examined.

    Attributes:
        name: as reports call it.
        fingerprint: a hash of all that its judgements depend on (weights, settings, code); results are kept by it.
        looks: whether images change what it says; one that does not is asked once, not for every view.
        ordered: whether the order in which answers are shown can change what it says.

    One that writes also has ``describes``, true: it is given ``describe`` items too; and ``part``, how many items it is
    best asked about at once.
    """

    name: str
    fingerprint: str
    looks: bool
    ordered: bool

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """Judgements of each item (``pair`` or ``yes_no``), its image beside it; a judge that is ``ordered`` gives
        at least one of a pair for each order.

        Raises:
            RefusedImage: one of the images cannot be read by it.
            UserError: it cannot judge at all, which stops the run.
        """
        ...
