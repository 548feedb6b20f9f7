"""Figures that every benchmark of choices has: accuracies, coverage, consistency of order, groups, length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present
from vlrm.evaluation.measuring.verdicts import PROBLEM

if TYPE_CHECKING:
    import numpy.typing as npt

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.marks import Marks
    from vlrm.evaluation.measuring.sheet import Sheet


def accuracies(marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """Accuracy overall and macro, by the official rule, and what that rule leaves out.

    ``accuracy``: a tie counts one half, an unreadable judgement is wrong. ``accuracy_official``: agree / (agree +
    reject) by the majority of votes, as VL-RewardBench has it; ties and unreadable ones leave the denominator, and
    ``coverage`` is the share of items that stay in it.
    """
    right, asked = marks.credit(), marks.asked()
    margin, official = marks.margin(), marks.official()

    def share(of: npt.NDArray[np.bool_]) -> Floats:
        return np.where(asked, of.astype(np.float64), np.nan)

    return present(
        {
            "accuracy": bootstrap.mean(right),
            "accuracy_macro": bootstrap.macro(right, marks.sheet.category),
            "accuracy_official": bootstrap.mean(official),
            "coverage": bootstrap.mean(share(np.isfinite(official))),
            "tied": bootstrap.mean(share(margin == 0)),
            "unparsed": bootstrap.mean(share(np.isnan(margin))),
        }
    )


def by_category(marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """Accuracy of each category."""
    return accuracy_by_category(marks.credit(), marks.sheet, bootstrap)


def accuracy_by_category(right: Floats, sheet: Sheet, bootstrap: Bootstrap) -> Quantities:
    """Mean of ``right`` (NaN: no part) in each category."""
    return present(
        {
            name: bootstrap.mean(np.where(sheet.category == number, right, np.nan))
            for number, name in enumerate(sheet.categories)
        }
    )


def order_figures(marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """What swapping the answers changes, on items that were asked in both orders; none for judges without order.

    ``order_consistency``: the same answer is preferred in both orders (ties and unreadable ones are not): a judge
    that always says "1" has 0. ``both_orders_accuracy``: the right one is preferred in both. ``first_shown``: share of
    readable judgements that prefer what was shown first, ties one half; one half is right.
    """
    said = np.asarray(marks.verdicts.votes[0, :, :PROBLEM].any(axis=1).all(axis=0))
    both = marks.asked() & said[marks.place]
    if not both.any():
        return {}
    forward, backward = marks.margin(order=0), marks.margin(order=1)
    same = (forward * backward > 0).astype(np.float64)
    right = ((forward > 0) & (backward > 0)).astype(np.float64)
    # In order 0 the item's first answer is shown first, in order 1 its second.
    lean = np.stack([marks.lean(order=0), -marks.lean(order=1)])
    first = np.where(np.isnan(lean), np.nan, (np.sign(lean) + 1) / 2)
    known = np.isfinite(first)
    shown = np.where(
        known.any(axis=0), np.where(known, first, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )
    return present(
        {
            "order_consistency": bootstrap.mean(np.where(both, same, np.nan)),
            "both_orders_accuracy": bootstrap.mean(np.where(both, right, np.nan)),
            "first_shown": bootstrap.mean(np.where(both, shown, np.nan)),
        }
    )


def all_right(right: Floats, group: npt.NDArray[np.uint64]) -> Floats:
    """1 where every member of a group is right (a tie is not), else 0, on the group's first member; NaN elsewhere.

    ``right``: credits; NaN members were not asked, and their group is left out. ``group``: 0 for none.
    """
    found = np.full(len(right), np.nan)
    rows = np.flatnonzero(group)
    if not len(rows):
        return found
    _, first, code = np.unique(group[rows], return_index=True, return_inverse=True)
    worst = np.full(len(first), np.inf)
    np.minimum.at(worst, code, np.where(np.isnan(right[rows]), -1.0, right[rows]))
    found[rows[first]] = np.where(worst < 0, np.nan, (worst == 1.0).astype(np.float64))
    return found


def group_figures(marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """Acc+: every item of a group is right."""
    return present({"acc_plus": bootstrap.mean(all_right(marks.credit(), marks.sheet.group))})


def length_figures(marks: Marks, bootstrap: Bootstrap) -> Quantities:
    """Accuracy where the better answer is the longer or the shorter, in the halves of short and of long answers, and
    how often the longer is preferred beside how often it is better (answers of one length left out)."""
    sheet, right = marks.sheet, marks.credit()
    pairs = marks.asked() & (sheet.task == 0)
    if not pairs.any():
        return {}
    longer = np.where(sheet.length[:, 0] > sheet.length[:, 1], 0, 1)
    unequal = pairs & (sheet.length[:, 0] != sheet.length[:, 1])
    better_longer = sheet.better == longer
    size = sheet.length.max(axis=1)
    long = size > np.median(size[pairs])
    prefers = np.sign(marks.lean()) * np.where(longer == 0, 1, -1)

    def over(values: Floats, rows: npt.NDArray[np.bool_]) -> Floats:
        return np.where(rows, values, np.nan)

    return present(
        {
            "better_longer_accuracy": bootstrap.mean(over(right, unequal & better_longer)),
            "better_shorter_accuracy": bootstrap.mean(over(right, unequal & ~better_longer)),
            "short_half_accuracy": bootstrap.mean(over(right, pairs & ~long)),
            "long_half_accuracy": bootstrap.mean(over(right, pairs & long)),
            "prefers_longer": bootstrap.mean(over((prefers + 1) / 2, unequal)),
            "longer_is_better": bootstrap.mean(over(better_longer.astype(np.float64), unequal)),
        }
    )
