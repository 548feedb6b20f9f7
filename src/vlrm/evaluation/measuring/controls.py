"""Two-sided controls: what is left of a judge when the image is blank or another item's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.baselines import balanced_subset
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present

if TYPE_CHECKING:
    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.marks import Marks


def controls(marks: Marks, bootstrap: Bootstrap, text_only: Floats | None = None, seed: int = 0) -> Quantities:
    """Figures without the right image, on items that have one and were judged with and without it.

    ``blank_accuracy``, ``swapped_accuracy``: accuracy then. With ``text_only`` (credits [items] of a classifier that
    reads texts only) also ``..._balanced``, on a subset where that classifier is right on one half: a judge that looks
    has 45 to 55 % there, from either side. ``..._gain``: accuracy with the image less accuracy without it, item by
    item. ``..._same``: share of items where the same answer is preferred with and without it.
    """
    found = {}
    for view in ("blank", "swapped"):
        rows = marks.asked() & marks.asked(view) & marks.sheet.has_image
        if not rows.any():
            continue
        blind = np.where(rows, marks.credit(view), np.nan)
        same = np.sign(marks.margin()) == np.sign(marks.margin(view))
        found[f"{view}_accuracy"] = bootstrap.mean(blind)
        found[f"{view}_gain"] = bootstrap.mean(marks.credit() - blind, share=False)
        found[f"{view}_same"] = bootstrap.mean(np.where(rows, same.astype(np.float64), np.nan))
        if text_only is not None:
            # balanced_subset takes margins: right above zero, a tie at zero
            balanced = balanced_subset(text_only - 0.5, rows, seed=seed)
            found[f"{view}_accuracy_balanced"] = bootstrap.mean(np.where(balanced, blind, np.nan))
            found["text_only_balanced"] = bootstrap.mean(np.where(balanced, text_only, np.nan))
    return present(found)
