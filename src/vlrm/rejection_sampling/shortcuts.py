"""Whether kept pairs can be told apart without looking, by words or length alone; weighted as they are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from vlrm.evaluation.baselines import length_margin, text_only_margin
from vlrm.evaluation.bootstrap import DRAWS, Floats, Resampler, image_clusters, interval
from vlrm.evaluation.figures import Figure
from vlrm.evaluation.outcomes import credit
from vlrm.rejection_sampling.offer import PAIRED
from vlrm.schema import QUESTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

BLIND = (0.45, 0.55)
"""A set that language cannot tell apart: two-sided, since a judge that is reliably wrong reads the words too."""

QUADS = 0.5
"""The share of kept pairs that should be of a quad, whose two images turn the preference round."""

# What tells, and of which pairs: words of a warning.
SHORTCUTS = {
    "text_only": ("their words alone", "kept pairs"),
    "shorter": ("their length alone", "kept pairs"),
    "text_only_answers": ("their words alone", "kept pairs of whole answers"),
    "shorter_answers": ("their length alone", "kept pairs of whole answers"),
}


class Shortcuts(BaseModel):
    """What the kept pairs of a round are made of, and how far words or length alone order them."""

    model_config = ConfigDict(extra="forbid")

    pairs: int
    text_only: Figure | None
    """Weighted share that a 1-2-gram classifier orders rightly, out of fold by image; None below five images."""
    shorter: Figure | None
    """Weighted share in which the shorter side is the better one, a tie one half."""
    text_only_answers: Figure | None
    """``text_only`` on whole answers; None without claim questions beside them, which are balanced as they are made."""
    shorter_answers: Figure | None
    """``shorter`` on whole answers, likewise."""
    quad_share: float
    """Pairs that are kept together with their quad's other one; an edit without another image is in none."""
    candidates_share: float
    wrong_before_share: float | None
    """Pairs that the reward model before had the other way round; None without one."""
    wrong_before_answers: float | None
    """The same among pairs of whole answers."""
    effective_pairs: float
    """(sum of weights) squared over the sum of their squares: how many pairs of equal weight these are worth."""
    kinds: dict[str, int]
    warnings: list[str]


def find_shortcuts(judged: pa.Table, seed: int = 0, draws: int = DRAWS) -> Shortcuts:
    """Measure the kept ones of a round's PAIRS; intervals are bootstrapped by image, one rendered from another with it.

    ``judged`` holds the refused ones too: they tell which image was rendered from which.
    """
    everything = pl.DataFrame(judged)
    frame = everything.with_columns(pl.Series("cluster", image_clusters(everything))).filter(
        pl.col("refused").is_null()
    )
    clusters = frame["cluster"].to_numpy()
    weight = frame["weight"].fill_null(1.0).to_numpy()
    resampler = Resampler(clusters, draws, seed)
    right = {"text_only": credit(text_only_margin(frame, clusters, seed)), "shorter": credit(length_margin(frame))}
    found = {name: weighted(each, weight, resampler) for name, each in right.items()}
    question = (frame["source"] == QUESTION).to_numpy()
    answers = {
        f"{name}_answers": weighted(np.where(question, np.nan, each), weight, resampler) if question.any() else None
        for name, each in right.items()
    }
    quads = _share(in_quads(frame))
    known = frame.drop_nulls("reward_margin")
    wrong = known["reward_margin"] < 0
    whole = wrong.filter(known["source"] != QUESTION)
    return Shortcuts(
        pairs=len(frame),
        **found,
        **answers,
        quad_share=quads,
        candidates_share=_share(frame["source"].is_in(PAIRED)),
        wrong_before_share=_share(wrong) if len(wrong) else None,
        wrong_before_answers=_share(whole) if len(whole) else None,
        effective_pairs=float(weight.sum() ** 2 / np.square(weight).sum()) if len(frame) else 0.0,
        kinds={str(kind): int(number) for kind, number in frame.group_by("kind").len().sort("kind").iter_rows()},
        warnings=_warnings(found | answers, quads if len(frame) else 1.0),
    )


def in_quads(kept: pl.DataFrame) -> pl.Series:
    """Of each kept pair whether the other pair of its quad is kept too."""
    whole = pl.col("quad_id").is_not_null() & (pl.len().over("quad_id") > 1)
    return kept.select(whole.alias("whole"))["whole"]


def weighted(right: Floats, weight: Floats, resampler: Resampler) -> Figure | None:
    """Weighted mean of ``right`` (NaN: left out) with the percentile interval of paired draws."""
    inside = np.isfinite(right)
    if not inside.any():
        return None
    top, bottom = np.where(inside, right * weight, np.nan), np.where(inside, weight, np.nan)
    value = float(np.nansum(top) / np.nansum(bottom))
    return interval(value, resampler.draws_of_mean(top) / resampler.draws_of_mean(bottom), int(inside.sum()))


def _share(rows: pl.Series) -> float:
    return float(rows.mean() or 0.0)  # type: ignore[arg-type]


def _warnings(found: Mapping[str, Figure | None], quads: float) -> list[str]:
    """One sentence for each shortcut whose whole interval lies outside :data:`BLIND`, and for too few quads."""
    told = []
    for name, (what, pairs) in SHORTCUTS.items():
        figure = found[name]
        if figure is not None and (figure.low > BLIND[1] or figure.high < BLIND[0]):
            told.append(
                f"{what} order {figure.value:.0%} of the {pairs} rightly ({figure.low:.0%} to {figure.high:.0%}, "
                f"blind is {BLIND[0]:.0%} to {BLIND[1]:.0%}): a reward model can learn them without looking; more "
                "quads (rule.quad_share, counterfactuals.per_prompt) turn the preference round."
            )
    if quads < QUADS:
        told.append(
            f"{quads:.0%} of the kept pairs are in quads, less than {QUADS:.0%}: on photos a quad's other image is "
            "found by its evidence, so more images of the same objects make more quads, and so do more edits "
            "(counterfactuals.per_prompt)."
        )
    return told
