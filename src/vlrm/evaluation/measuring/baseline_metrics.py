"""Floors beside every judge: rules that look at position or length only, and judges that never see an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.measuring.common_metrics import accuracy_by_category
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present
from vlrm.evaluation.measuring.result import Baseline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.marks import Marks


def baseline_credits(marks: Marks, others: Mapping[str, Marks]) -> dict[str, Floats]:
    """Credit [items] of every floor on the items that the judge judged.

    ``always_first``, ``always_shorter`` and ``always_longer`` (Unicode characters; a tie earns half) where there are
    pairs; ``always_yes`` and ``always_no`` where all are questions of yes or no. ``others``: judges by name, such as
    ``text_only``.
    """
    sheet, asked = marks.sheet, marks.asked()
    gap = np.sign(sheet.length[:, 0] - sheet.length[:, 1]) * np.where(sheet.better == 0, 1, -1)
    first = (sheet.better == 0).astype(np.float64)
    found: dict[str, Floats] = {}
    if (asked & ~sheet.yes_no).any():
        found = {"always_first": first, "always_shorter": (1 - gap) / 2, "always_longer": (1 + gap) / 2}
    elif asked.any():
        found = {"always_yes": first, "always_no": 1 - first}
    found = {name: np.where(asked, right, np.nan) for name, right in found.items()}
    return found | {name: np.where(asked, other.credit(), np.nan) for name, other in others.items()}


def baselines(credits: Mapping[str, Floats], marks: Marks, bootstrap: Bootstrap) -> dict[str, Baseline]:
    """Accuracy of every floor, overall, macro and by category."""
    found = {}
    for name, right in credits.items():
        accuracy, macro = bootstrap.mean(right), bootstrap.macro(right, marks.sheet.category)
        if accuracy is not None:
            categories = accuracy_by_category(right, marks.sheet, bootstrap)
            found[name] = Baseline(
                accuracy=accuracy.figure,
                macro=None if macro is None else macro.figure,
                by_category={category: one.figure for category, one in categories.items()},
            )
    return found


def where_others_err(credits: Mapping[str, Floats], marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """Accuracy on the items that another judge gets wrong (by its ``credits``): what this one knows besides."""
    right = marks.credit()
    return present(
        {f"accuracy_where_{name}_errs": bootstrap.mean(np.where(floor < 0.5, right, np.nan))
         for name, floor in credits.items()}
    )  # fmt: skip
