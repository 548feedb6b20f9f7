"""One judge's verdicts beside the items: margins towards the right answer, credits, and who was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.outcomes import credit

if TYPE_CHECKING:
    import numpy.typing as npt

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.judges.protocol import View
    from vlrm.evaluation.measuring.sheet import Sheet
    from vlrm.evaluation.measuring.verdicts import Verdicts


@dataclass(frozen=True)
class Marks:
    """Arrays [items] are NaN where an item has no part in them. ``rows``: the items to look at; all when None."""

    sheet: Sheet
    verdicts: Verdicts
    rows: npt.NDArray[np.bool_] | None = None

    @cached_property
    def place(self) -> npt.NDArray[np.int64]:
        """Where each item stands in the verdicts, -1 for one that was not judged."""
        place = self.verdicts.places(self.sheet.keys)
        return place if self.rows is None else np.where(self.rows, place, -1)

    def asked(self, view: View = "image") -> npt.NDArray[np.bool_]:
        """Items with a right answer of which the judge said something, were it unreadable."""
        return np.asarray((self.place >= 0) & self.sheet.choices & self.verdicts.asked(view)[self.place])

    def lean(self, view: View = "image", order: int | None = None) -> Floats:
        """How far the judge leans to the item's first answer; see :meth:`Verdicts.lean`."""
        known = (self.place >= 0) & self.sheet.choices
        return np.where(known, self.verdicts.lean(view, order)[self.place], np.nan)

    def margin(self, view: View = "image", order: int | None = None) -> Floats:
        """How far it leans to the better answer; NaN where nothing could be read."""
        return self.lean(view, order) * np.where(self.sheet.better == 0, 1.0, -1.0)

    def credit(self, view: View = "image") -> Floats:
        """1 where the right answer is preferred, one half for a tie, 0 else, unreadable ones too; NaN: not asked."""
        return np.where(self.asked(view), np.nan_to_num(credit(self.margin(view)), nan=0.0), np.nan)

    def official(self) -> Floats:
        """1 agree, 0 reject by the majority of votes; NaN for a tie and where nothing could be read."""
        margin = self.margin()
        return np.where(margin > 0, 1.0, np.where(margin < 0, 0.0, np.nan))
