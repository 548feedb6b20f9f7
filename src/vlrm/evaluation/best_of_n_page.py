"""The page of a best-of-N curve: false and true claims an answer over N, and whether more candidates made it worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from vlrm.evaluation.best_of_n import BestOfN, Rise, best_of_n, rise
from vlrm.evaluation.report import best_of_n_section

if TYPE_CHECKING:
    import polars as pl


class Curve(BaseModel):
    """What ``kedro run --pipelines best_of_n`` found, as ``best_of_n.json`` has it."""

    model_config = ConfigDict(extra="forbid")

    model: str
    judged_by: str
    prompts: int
    points: list[BestOfN]
    rise: Rise | None
    notes: list[str]


def curve_of(model: str, judged_by: str, candidates: pl.DataFrame, notes: list[str]) -> Curve:
    """The curve of scored and judged candidates (:data:`vlrm.evaluation.best_of_n.COLUMNS`)."""
    points = best_of_n(candidates)
    prompts = points[0].false_claims.n if points else 0
    found = rise(candidates)
    return Curve(
        model=model, judged_by=judged_by, prompts=prompts, points=points, rise=found, notes=[*notes, *_told(found)]
    )


def _told(found: Rise | None) -> list[str]:
    if found is None:
        return []
    if found.best == found.largest:
        return [f"No over-optimisation in sight: the largest N, {found.largest}, has the fewest false claims."]
    more = found.false_claims
    what = f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f}) false claims an answer from N={found.best}"
    end = "The reward is over-optimised" if found.over_optimised else "Not surely over-optimised"
    return [f"{end}: {what} to N={found.largest}."]


def render_curve(found: Curve) -> str:
    """One self-contained HTML page."""
    environment = Environment(
        loader=PackageLoader("vlrm.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("best_of_n.html.j2").render(found=found, section=best_of_n_section(found.points))
