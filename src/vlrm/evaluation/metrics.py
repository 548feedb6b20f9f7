"""Every figure of a reward model from the exam and its scores, each with an interval clustered by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from vlrm.evaluation.bootstrap import DRAWS, Floats, Resampler
from vlrm.evaluation.calibration import calibration_error, fit_temperature
from vlrm.evaluation.figures import Figure, Metrics
from vlrm.evaluation.outcomes import PLAIN, Outcomes, Readout, credit

if TYPE_CHECKING:
    from collections.abc import Callable

CONSISTENCY_SEEDS = 2
CONSISTENCY_WORDINGS = 3


def choose_readout(gate: Outcomes) -> Readout:
    """The better of the plain reward and the mean over critiques on the gate split; plain when they tie."""
    accuracy = {}
    for readout in ("plain", "critiques"):
        right = credit(gate.margins(readout))[gate.original]
        accuracy[readout] = np.nanmean(right) if np.isfinite(right).any() else -1.0
    return "critiques" if accuracy["critiques"] > accuracy["plain"] else "plain"


def evaluate(
    outcomes: Outcomes,
    readout: Readout,
    *,
    gate: Outcomes | None = None,
    balanced: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Metrics:
    """All figures of one reward model.

    ``gate``: the same model's outcomes on the gate split, on which the temperature is fitted (1 without it).
    ``balanced``: rows [items] of the subset on which a text-only classifier stands at a coin's level
    (:func:`vlrm.evaluation.baselines.balanced_subset`); the blank and swapped figures without a suffix use
    it. Accuracies count a tie as one half; consistency counts it as wrong.
    """
    temperature = 1.0 if gate is None else fit_temperature(gate.margins(readout)[gate.original])
    resampler = Resampler(outcomes.clusters, draws, seed)
    margin = np.where(outcomes.original, outcomes.margins(readout), np.nan)
    right = credit(margin)
    exam = outcomes.exam

    def over(values: Floats, rows: np.ndarray | pl.Series) -> Figure | None:
        return resampler.mean(np.where(np.asarray(rows, dtype=bool), values, np.nan))

    figures: dict[str, Figure | None] = {
        "hallucination_accuracy": resampler.mean(right),
        "quad_accuracy": resampler.mean(quad_credit(outcomes, right)),
        "quad_member_accuracy": over(right, exam["quad_id"].is_not_null()),
        "organic_accuracy": over(right, exam["source"] == "organic"),
        "edited_accuracy": over(right, exam["source"] == "edited"),
    }
    for part in ("prior_breaking", "prior_conforming", "unseen_combination"):
        figures[f"{part}_accuracy"] = over(right, exam["part"] == part)
    for name in ("plain", "critiques"):
        other = credit(outcomes.margins(name))
        figures[f"{name}_accuracy"] = over(other, outcomes.original)
    figures |= _consistency(outcomes, resampler)
    figures |= _controls(outcomes, readout, balanced, over)
    figures["ece_before"] = calibration_error(margin, 1.0, resampler)
    figures["ece_after"] = calibration_error(margin, temperature, resampler)
    verdict = outcomes.verdict_margin()
    figures["majority_verdict_accuracy"] = over(credit(verdict), outcomes.original)
    figures["critique_wrong_accuracy"] = over(right, verdict < 0)
    experts = exam["experts_right"]
    figures["experts_wrong_accuracy"] = over(right, experts.eq(False).fill_null(False))
    # An exam whose column is all null was never shown to the experts: that is no silence.
    silent = experts.is_null() if experts.is_not_null().any() else pl.Series([False] * len(experts))
    figures["experts_silent_accuracy"] = over(right, silent)
    figures["experts_wrong_or_silent_accuracy"] = over(right, silent | experts.eq(False).fill_null(False))
    figures["verdict_flip_sensitivity"] = verdict_flip_sensitivity(outcomes, resampler)
    return Metrics(
        readout=readout,
        temperature=temperature,
        figures=figures,
        by_kind=_grouped("kind", exam, right, resampler),
        by_part=_grouped("part", exam, right, resampler),
        by_source=_grouped("source", exam, right, resampler),
    )


def quad_credit(outcomes: Outcomes, right: Floats) -> Floats:
    """Both pairs of a quad right, on the row of its first pair (NaN elsewhere).

    The product of the two credits: a tie is worth what breaking it by a coin would be, so a model that never
    looks at the image has an expectation of 1/4 whatever its ties.
    """
    rows = outcomes.exam.select("quad_id").with_columns(
        pl.Series("right", right), pl.Series("row", np.arange(len(right)))
    )
    quads = (
        rows.filter(pl.col("quad_id").is_not_null() & pl.col("right").is_not_nan())
        .group_by("quad_id")
        .agg(pl.col("right").product(), pl.col("row").min(), pl.len().alias("pairs"))
        .filter(pl.col("pairs") == 2)
    )
    both = np.full(len(right), np.nan)
    both[quads["row"].to_numpy()] = quads["right"].to_numpy()
    return both


def _consistency(outcomes: Outcomes, resampler: Resampler) -> dict[str, Figure | None]:
    """Reasoning consistency over groups of six, and over the three wordings without critiques."""
    seeds = outcomes.seeds()[:CONSISTENCY_SEEDS]
    with_critiques = np.stack([outcomes.margin(sample=s) for s in seeds], axis=1) if seeds else None
    figures: dict[str, Figure | None] = {}
    for name, margins in (("reasoning", with_critiques), ("plain", outcomes.margin(sample=PLAIN)[:, None])):
        figures[f"{name}_consistency"], figures[f"{name}_member_accuracy"] = None, None
        # Fewer than two critique seeds would make groups of three: an easier exam under the same name.
        if margins is None or (name == "reasoning" and len(seeds) < CONSISTENCY_SEEDS):
            continue
        whole, member = group_credit(outcomes, margins)
        figures[f"{name}_consistency"] = resampler.mean(whole)
        figures[f"{name}_member_accuracy"] = resampler.mean(member)
    return figures


def group_credit(outcomes: Outcomes, margins: Floats) -> tuple[Floats, Floats]:
    """All members right, and the share of members right, of each whole group, on the row of its first
    wording.

    ``margins``: [items, seeds]. A tie is wrong. A group with a member that was not scored is left out (NaN).
    """
    rows = outcomes.exam.select("group_id").with_columns(
        pl.Series("right", (margins > 0).mean(axis=1)),
        pl.Series("scored", np.isfinite(margins).all(axis=1)),
        pl.Series("row", np.arange(len(margins))),
    )
    groups = (
        rows.filter(pl.col("group_id").is_not_null())
        .group_by("group_id")
        .agg(
            (pl.col("right") == 1.0).all().alias("whole"),
            pl.col("right").mean().alias("member"),
            pl.col("scored").all(),
            pl.col("row").min(),
            pl.len().alias("wordings"),
        )
        .filter(pl.col("scored") & (pl.col("wordings") == CONSISTENCY_WORDINGS))
    )
    whole, member = np.full((2, len(margins)), np.nan)
    whole[groups["row"].to_numpy()] = groups["whole"].cast(pl.Float64).to_numpy()
    member[groups["row"].to_numpy()] = groups["member"].to_numpy()
    return whole, member


def _controls(
    outcomes: Outcomes,
    readout: Readout,
    balanced: np.ndarray | None,
    over: Callable[[Floats, np.ndarray | pl.Series], Figure | None],
) -> dict[str, Figure | None]:
    """Accuracy under a blank and a swapped image: on the balanced subset, on whole quads, on single pairs, on
    all."""
    quads = outcomes.exam["quad_id"].is_not_null().to_numpy()
    subset = outcomes.original if balanced is None else balanced & outcomes.original
    figures: dict[str, Figure | None] = {}
    for view in ("blank", "swapped"):
        right = credit(outcomes.margins(readout, view))
        figures[f"{view}_image_accuracy"] = over(right, subset)
        figures[f"{view}_image_accuracy_quads"] = over(right, quads & outcomes.original)
        figures[f"{view}_image_accuracy_single"] = over(right, ~quads & outcomes.original)
        figures[f"{view}_image_accuracy_all"] = over(right, outcomes.original)
        for part in ("prior_breaking", "prior_conforming"):
            rows = (outcomes.exam["part"] == part).to_numpy() & outcomes.original
            figures[f"{view}_image_accuracy_{part}"] = over(right, rows)
    return figures


def verdict_flip_sensitivity(outcomes: Outcomes, resampler: Resampler) -> Figure | None:
    """mean |dr(claim verdicts flipped)| / mean |dr(image swapped)| over both sides; None without both views.

    Compares the same critique seeds. Above 1 the reward listens to its critique more than to the image.
    """
    seeds = set(outcomes.seeds("flipped")) & set(outcomes.seeds("swapped")) & set(outcomes.seeds("image"))
    if not seeds:
        return None
    moved: dict[Literal["flipped", "swapped"], Floats] = {}
    for view in ("flipped", "swapped"):
        changes = [np.abs(outcomes.sides(view, s) - outcomes.sides("image", s)) for s in sorted(seeds)]
        moved[view] = np.mean(changes, axis=(0, 2))
    inside = np.isfinite(moved["flipped"]) & np.isfinite(moved["swapped"])
    if not inside.any() or not moved["swapped"][inside].any():
        return None
    top, bottom = (np.where(inside, moved[view], 0.0) for view in ("flipped", "swapped"))

    def ratio(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ top) / (weights @ bottom))

    return resampler.statistic(ratio, int(inside.sum()))


def _grouped(column: str, exam: pl.DataFrame, right: Floats, resampler: Resampler) -> dict[str, Figure]:
    names = exam[column].drop_nulls().unique().sort().to_list()
    found = {
        name: resampler.mean(np.where((exam[column] == name).to_numpy(), right, np.nan)) for name in names
    }
    return {name: figure for name, figure in found.items() if figure is not None}
