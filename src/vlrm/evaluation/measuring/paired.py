"""Two judges on the same items: paired differences with intervals and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlrm.errors import UserError
from vlrm.evaluation.bootstrap import DRAWS, interval
from vlrm.evaluation.measuring.figures import Examined, read_exam
from vlrm.evaluation.measuring.marks import Marks
from vlrm.evaluation.measuring.mistakes import MistakeWatch
from vlrm.evaluation.measuring.result import Comparison, Difference, Discordant
from vlrm.evaluation.measuring.verdicts import read_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.mistakes import Show
    from vlrm.evaluation.measuring.quantities import Quantities, Quantity
    from vlrm.evaluation.measuring.verdicts import Judged


def paired(first: Quantity, second: Quantity) -> Difference:
    """``first - second`` from the same draws: 95 % interval, and the two-sided bootstrap p-value
    2 min(P(d <= 0), P(d >= 0)), counting the value itself as a draw so that it is never 0."""
    value = first.figure.value - second.figure.value
    draws = first.draws - second.draws
    draws = draws[np.isfinite(draws)]
    below, above = (1 + (draws <= 0).sum()) / (1 + len(draws)), (1 + (draws >= 0).sum()) / (1 + len(draws))
    figure = interval(value, draws, min(first.figure.n, second.figure.n))
    return Difference(figure=figure, p_value=float(min(1.0, 2 * min(below, above))))


def discordant(first: Floats, second: Floats) -> Discordant:
    """Items [items] that only one has right; a tie is not right, NaN in either leaves the item out."""
    from scipy.stats import binomtest

    both = np.isfinite(first) & np.isfinite(second)
    one, other = (first == 1.0) & both, (second == 1.0) & both
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    n = only_first + only_second
    p_value = float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0
    return Discordant(only_first=only_first, only_second=only_second, p_value=p_value)


def compare(
    items: Iterable[Item], judged: Mapping[str, Judged], suite: str, *,
    baselines: Mapping[str, Judged] | None = None, show: Show | None = None, draws: int = DRAWS, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Two judges by name on the items that both have judged; the arguments are those of
    :func:`vlrm.evaluation.measuring.figures.figures_of`. The mistakes are those of all that each has judged.

    Raises:
        UserError: there are not two of them, or no item that both have judged.
    """
    if len(judged) != 2:
        raise UserError(f"Two judges with different names are compared, not {len(judged)}: give a and b.")
    said = {name: read_verdicts(rows) for name, rows in judged.items()}
    watches = [MistakeWatch(verdicts) for verdicts in said.values()]
    exam = read_exam(items, suite, baselines or {}, watches, draws, seed)
    whole = {name: Marks(exam.sheet, verdicts) for name, verdicts in said.items()}
    common = np.logical_and.reduce([(one.place >= 0) & one.verdicts.asked()[one.place] for one in whole.values()])
    if not common.any():
        raise UserError(f"{' and '.join(judged)} have judged no item of {suite} in common: run its benchmark for both.")
    one, other = (
        Examined(exam, judged[name], Marks(exam.sheet, marks.verdicts, common)) for name, marks in whole.items()
    )
    names = list(judged)
    return Comparison(
        suite=suite,
        first=one.result(suite, names[0], watch=watches[0], show=show),
        second=other.result(suite, names[1], watch=watches[1], show=show),
        differences=_differences(one.quantities, other.quantities),
        by_category=_differences(one.categories, other.categories),
        discordant=discordant(one.marks.credit(), other.marks.credit()),
    )


def _differences(first: Quantities, second: Quantities) -> dict[str, Difference]:
    return {name: paired(quantity, second[name]) for name, quantity in first.items() if name in second}
