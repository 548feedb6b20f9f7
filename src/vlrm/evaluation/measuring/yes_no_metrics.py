"""Figures of questions of yes or no: POPE's, and the discriminative part of AMBER."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities, present

if TYPE_CHECKING:
    import numpy.typing as npt

    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.marks import Marks


def yes_no_figures(
    marks: Marks, bootstrap: Bootstrap, rows: npt.NDArray[np.bool_] | None = None,
    positive: Literal["yes", "no"] = "yes",
) -> Quantities:  # fmt: skip
    """Accuracy, precision, recall, F1 and yes-ratio over the questions of ``rows`` (all of yes or no when None).

    ``positive``: the answer that precision and recall are of. POPE (arXiv 2305.10355) takes yes; AMBER's script takes
    no, as it looks for questions about what is not there. A tie is half a yes and half a no; an unreadable judgement
    is neither: it lowers accuracy and recall. Precision is 0 where the answer is never given, as in scikit-learn.
    """
    chosen = marks.asked() & marks.sheet.yes_no
    if rows is not None:
        chosen &= rows
    n = int(chosen.sum())
    if not n:
        return {}
    lean = np.where(chosen, marks.lean(), np.nan)
    yes = np.nan_to_num((np.sign(lean) + 1) / 2)
    no = np.nan_to_num((1 - np.sign(lean)) / 2)
    said = yes if positive == "yes" else no
    wanted = chosen & (marks.sheet.better == (0 if positive == "yes" else 1))
    columns = [said * wanted, said, wanted.astype(np.float64)]

    def precision(sums: Floats) -> Floats:
        hits, says = sums[:, 0], sums[:, 1]
        return np.divide(hits, says, out=np.zeros_like(hits), where=says > 0)

    return present(
        {
            "accuracy": bootstrap.mean(np.where(chosen, marks.credit(), np.nan)),
            "precision": bootstrap.of_sums(columns, precision, n),
            "recall": bootstrap.of_sums(columns, lambda sums: sums[:, 0] / sums[:, 2], n),
            "f1": bootstrap.of_sums(columns, lambda sums: 2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]), n),
            "yes_ratio": bootstrap.mean(np.where(chosen, yes, np.nan)),
        }
    )


def by_part(
    marks: Marks, bootstrap: Bootstrap, parts: dict[str, npt.NDArray[np.bool_]], positive: Literal["yes", "no"] = "yes"
) -> Quantities:
    """The figures of each part, named ``part.figure``."""
    return {
        f"{part}.{name}": quantity
        for part, rows in parts.items()
        for name, quantity in yes_no_figures(marks, bootstrap, rows, positive).items()
    }
