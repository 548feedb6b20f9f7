"""Counts times measured unit costs: an estimate by stage and kind of work, its totals, and what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from vlrm.estimate.measured import Measured
from vlrm.estimate.work import Sizes, Work, all_work, kept_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vlrm.estimate.measured import Unit

BUSY = 1.4
"""Wall time beyond so many times the processor's time: the machine does other work."""
ENDPOINT = ("candidate", "critique with evidence")
"""What an endpoint writes where there is one; all else is the base model's."""


class Prices(BaseModel):
    """What an endpoint asks for a million tokens; None where it was not said."""

    model_config = ConfigDict(extra="forbid")

    prompt: float | None = None
    completion: float | None = None


class Line(BaseModel):
    """One kind of work in one stage, over all rounds. ``seconds`` and the rest are None where it was not measured."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    work: str
    items: float
    seconds: float | None = 0.0
    low: float = 0.0
    high: float = 0.0
    cpu_seconds: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    requests: float = 0.0
    disk: float = 0.0
    cost: float | None = None

    def add(self, other: Line) -> None:
        """Take another line's numbers on."""
        if self.seconds is not None:
            self.seconds += other.seconds or 0.0
        for name in ("items", "low", "high", "cpu_seconds", "prompt_tokens", "completion_tokens", "requests", "disk"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost


class Estimate(BaseModel):
    """``estimate.json``. ``by_round``: seconds of each round; notes say what the numbers rest on."""

    model_config = ConfigDict(extra="forbid")

    lines: list[Line]
    total: Line
    by_round: dict[str, float]
    kept_pairs: float
    sample: Measured
    notes: list[str]


def estimate(sizes: Sizes, measured: Measured, prices: Prices | None = None) -> Estimate:
    """The estimate of an ``iterate`` from nothing."""
    work = all_work(sizes, measured.yields)
    lines: dict[tuple[str, str], Line] = {}
    by_round: dict[str, float] = {}
    for one in work:
        line = _line(one, measured.units.get(one.kind), prices)
        if (known := lines.get((one.stage, one.kind))) is None:
            lines[one.stage, one.kind] = line
        else:
            known.add(line)
        name = "outside rounds" if one.round is None else f"{one.round:02d}"
        by_round[name] = by_round.get(name, 0.0) + (line.seconds or 0.0)
    total = Line(stage="total", work="", items=0)
    for line in lines.values():
        total.add(line)
    kept = kept_pairs(sizes, measured.yields)
    notes = _notes(sizes, measured, list(lines.values()), total, kept)
    return Estimate(
        lines=list(lines.values()), total=total, by_round=by_round, kept_pairs=kept, sample=measured, notes=notes
    )


def _line(work: Work, unit: Unit | None, prices: Prices | None) -> Line:
    line = Line(stage=work.stage, work=work.kind, items=work.items)
    if unit is None:
        line.seconds = None
        return line
    low, high = (work.items if value is None else value for value in (work.low, work.high))
    line.seconds = work.items * unit.mean
    line.low, line.high = low * min(unit.seconds), high * max(unit.seconds)
    for name in ("cpu_seconds", "prompt_tokens", "completion_tokens", "requests", "disk"):
        setattr(line, name, work.items * getattr(unit, name))
    if prices is not None and work.kind in ENDPOINT:
        line.cost = (
            line.prompt_tokens * (prices.prompt or 0.0) + line.completion_tokens * (prices.completion or 0.0)
        ) / 1e6
    return line


def _notes(sizes: Sizes, measured: Measured, lines: Sequence[Line], total: Line, kept: float) -> list[str]:
    notes = [
        f"Extrapolated from {measured.prompts} prompts tried in {measured.seconds:.0f} s on this machine; the range "
        "multiplies the fastest and the slowest of the times measured. It is of an experiment that does not exist yet: "
        "what is done or can be reused is not done again.",
        f"A round of {sizes.round_prompts} prompts is expected to keep {kept:.0f} pairs (at most "
        f"{sizes.budget}), which decides how long its training is.",
    ]
    if sizes.workers > 1 and total.seconds:
        notes.append(
            f"Times add up stage by stage. With workers={sizes.workers} stages that do not wait for each other run "
            f"side by side: the run itself takes between {total.seconds / sizes.workers / 60:.0f} and "
            f"{total.seconds / 60:.0f} minutes."
        )
    if missing := _names(line.work for line in lines if line.seconds is None):
        notes.append(f"Not measured, so not in the total: {missing} (the sample gave nothing to try it on).")
    if total.cpu_seconds and (total.seconds or 0.0) > BUSY * total.cpu_seconds:
        notes.append(
            f"The sample took more time than the processor gave it: other work runs here, or this waits for a network. "
            f"The processor's time alone would be {total.cpu_seconds:.0f} s."
        )
    return notes


def _names(kinds: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(kinds))
