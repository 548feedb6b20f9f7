"""HallusionBench's accuracies (arXiv 2310.14566): per answer, per figure, and per question over all its figures."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from vlrm.evaluation.measuring.common_metrics import all_right
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present
from vlrm.evaluation.measuring.verdicts import hash_of

if TYPE_CHECKING:
    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.measuring.marks import Marks


class HallusionGroups:
    """Keeps which figure and which question each item belongs to.

    A figure is (category, subcategory, set, figure), a question (category, subcategory, set, question), as in the
    authors' script; without the category 27 figures of VD and VS would be taken for one. VS items of figure 0 show no
    figure and have no part in fAcc.
    """

    def __init__(self) -> None:
        self._figures, self._questions = array("Q"), array("Q")

    def see(self, item: Item, key: int) -> None:
        told = item.details
        where = (item.category, told["subcategory"], told["set_id"])
        shows_none = item.category == "VS" and str(told["figure_id"]) == "0"
        self._figures.append(0 if shows_none else hash_of("/".join(map(str, (*where, told["figure_id"])))))
        self._questions.append(hash_of("/".join(map(str, (*where, told["question_id"])))))

    def quantities(self, marks: Marks, bootstrap: Bootstrap) -> Quantities:
        """``a_acc``: accuracy over all answers; ``f_acc``: all questions of a figure right; ``q_acc``: a question right
        over all its figures.

        The authors' GPT judge may also say "unclear", which counts as right for VS questions without a figure; an
        answer of yes or no has no such third way, and an unreadable one is wrong here.
        """
        right = marks.credit()
        return present(
            {
                "a_acc": bootstrap.mean(right),
                "f_acc": bootstrap.mean(all_right(right, np.frombuffer(self._figures, dtype=np.uint64))),
                "q_acc": bootstrap.mean(all_right(right, np.frombuffer(self._questions, dtype=np.uint64))),
            }
        )
