"""Every figure of one judge on one benchmark, from its items as they go by and what the judge said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vlrm.errors import UserError
from vlrm.evaluation.bootstrap import DRAWS
from vlrm.evaluation.measuring.amber_metrics import AmberParts
from vlrm.evaluation.measuring.baseline_metrics import baseline_credits, baselines, where_others_err
from vlrm.evaluation.measuring.common_metrics import (
    accuracies,
    by_category,
    group_figures,
    length_figures,
    order_figures,
)
from vlrm.evaluation.measuring.controls import controls
from vlrm.evaluation.measuring.hallusion_metrics import HallusionGroups
from vlrm.evaluation.measuring.marks import Marks
from vlrm.evaluation.measuring.mistakes import MistakeWatch
from vlrm.evaluation.measuring.quantities import Bootstrap, Quantities
from vlrm.evaluation.measuring.result import Result
from vlrm.evaluation.measuring.sheet import Sheet, read_sheet
from vlrm.evaluation.measuring.sureness import Sureness, sureness
from vlrm.evaluation.measuring.verdicts import Judged, Verdicts, read_verdicts
from vlrm.evaluation.measuring.yes_no_metrics import by_part, yes_no_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.bootstrap import Floats
    from vlrm.evaluation.measuring.mistakes import Show

TEXT_ONLY = "text_only"
"""Name of the baseline that the controls are balanced by."""
MARGINS_KEPT = 1000


@dataclass(frozen=True)
class Exam:
    """The arrays of one benchmark, what its own figures need besides, and the draws of all its figures."""

    sheet: Sheet
    bootstrap: Bootstrap
    special: HallusionGroups | AmberParts | None = None
    baselines: Mapping[str, Verdicts] = field(default_factory=dict)


@dataclass(frozen=True)
class Examined:
    """One judge on an exam; every part is computed when it is asked for."""

    exam: Exam
    judged: Judged
    marks: Marks

    @cached_property
    def floors(self) -> dict[str, Floats]:
        others = {name: Marks(self.exam.sheet, verdicts) for name, verdicts in self.exam.baselines.items()}
        return baseline_credits(self.marks, others)

    @cached_property
    def sure(self) -> Sureness:
        if not self.marks.verdicts.scalar:
            return Sureness()
        return sureness(self.marks.margin(), self.exam.sheet.clusters, self.exam.bootstrap)

    @cached_property
    def quantities(self) -> Quantities:
        """All figures that have draws."""
        marks, bootstrap = self.marks, self.exam.bootstrap
        found = accuracies(marks, bootstrap) | order_figures(marks, bootstrap) | group_figures(marks, bootstrap)
        found |= self._special() | length_figures(marks, bootstrap)
        found |= controls(marks, bootstrap, self.floors.get(TEXT_ONLY))
        others = {name: self.floors[name] for name in self.exam.baselines}
        return found | where_others_err(others, marks, bootstrap) | self.sure.quantities

    @cached_property
    def categories(self) -> Quantities:
        return by_category(self.marks, self.exam.bootstrap)

    def _special(self) -> Quantities:
        marks, bootstrap, special = self.marks, self.exam.bootstrap, self.exam.special
        if isinstance(special, HallusionGroups):
            own = special.quantities(marks, bootstrap)
        elif isinstance(special, AmberParts):
            return special.quantities(marks, bootstrap, self.judged)
        else:
            own = {}
        asked = marks.asked() & marks.sheet.yes_no
        if not asked.any():
            return own
        names = marks.sheet.categories
        parts = {name: marks.sheet.category == number for number, name in enumerate(names)} if len(names) > 1 else {}
        whole = {f"yes.{name}": one for name, one in yes_no_figures(marks, bootstrap).items()}
        return own | whole | by_part(marks, bootstrap, parts)

    def result(
        self, suite: str, model: str, fingerprint: str = "", watch: MistakeWatch | None = None,
        show: Show | None = None,
    ) -> Result:  # fmt: skip
        """What is written and shown; ``watch`` has seen the items."""
        marks, sure = self.marks, self.sure
        figures = {name: one.figure for name, one in self.quantities.items()} | sure.figures
        held = marks.verdicts.places(marks.sheet.keys)  # of all items: a comparison marks the common ones alone
        told = (marks.place >= 0) & self.marks.verdicts.asked()[marks.place]
        return Result(
            suite=suite,
            model=model,
            fingerprint=fingerprint,
            items=len(marks.sheet),
            judged=int(told.sum()),
            strange=len(marks.verdicts.keys) - len(np.unique(held[held >= 0])),
            scalar=marks.verdicts.scalar,
            figures=figures,
            by_category={name: one.figure for name, one in self.categories.items()},
            baselines=baselines(self.floors, marks, self.exam.bootstrap),
            temperature=sure.temperature,
            calibration_before=sure.before,
            calibration_after=sure.after,
            margins=_spread(marks.margin()),
            mistakes=[] if watch is None else watch.mistakes(self.judged, sure.temperature or 1.0, show),
        )


def figures_of(
    items: Iterable[Item], judged: Judged, suite: str, *, model: str, fingerprint: str = "",
    baselines: Mapping[str, Judged] | None = None, show: Show | None = None, draws: int = DRAWS, seed: int = 0,
) -> Result:  # fmt: skip
    """Everything known of one judge on one benchmark. Items are read once and their texts are not kept.

    Args:
        items: of the benchmark, in any order.
        judged: rows of JUDGED, in memory or at a path.
        suite: name of the benchmark; hallusionbench and amber have figures of their own.
        model: name of the judge, as tables call it.
        fingerprint: of the judge.
        baselines: judgements of other judges on these items by name, that stand beside it in every table; the controls
            are balanced by the one called ``text_only``.
        show: gives the picture and the marked claims of an item among the mistakes (:class:`Shown`).
        draws: bootstrap draws. seed: of the bootstrap.

    Raises:
        UserError: there is no item or no judgement, or they do not fit each other.
    """
    verdicts = read_verdicts(judged)
    watch = MistakeWatch(verdicts)
    exam = read_exam(items, suite, baselines or {}, [watch], draws, seed)
    examined = Examined(exam, judged, Marks(exam.sheet, verdicts))
    if not (examined.marks.place >= 0).any():
        raise UserError(
            f"No judgement of {model} is about an item of {suite}: they are of another version of its file; "
            "delete them and run the benchmark again."
        )
    return examined.result(suite, model, fingerprint, watch, show)


def read_exam(
    items: Iterable[Item], suite: str, baselines: Mapping[str, Judged], watches: Sequence[MistakeWatch] = (),
    draws: int = DRAWS, seed: int = 0,
) -> Exam:  # fmt: skip
    """The one pass over the items, which ``watches`` see too."""
    special: HallusionGroups | AmberParts | None = None
    if suite == "hallusionbench":
        special = HallusionGroups()
    elif suite == "amber":
        special = AmberParts()
    sheet = read_sheet(items, [*watches] if special is None else [special, *watches])
    others = {name: read_verdicts(judged) for name, judged in baselines.items()}
    return Exam(sheet, Bootstrap(sheet.clusters, draws, seed), special, others)


def _spread(margin: Floats) -> list[float]:
    """At most a thousand quantiles."""
    margin = np.sort(margin[np.isfinite(margin)])
    if len(margin) > MARGINS_KEPT:
        margin = np.quantile(margin, (np.arange(MARGINS_KEPT) + 0.5) / MARGINS_KEPT)
    return [round(float(one), 4) for one in margin]
