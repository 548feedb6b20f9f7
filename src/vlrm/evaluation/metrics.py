"""Every figure of a reward model from the exam and its scores, each with an interval clustered by image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from vlrm.evaluation.bootstrap import DRAWS, Floats, Resampler, paired_difference
from vlrm.evaluation.calibration import calibration_error, fit_temperature
from vlrm.evaluation.figures import Figure, Metrics
from vlrm.evaluation.naming import named
from vlrm.evaluation.outcomes import Outcomes, Readout, View, credit

CONSISTENCY_SEEDS = 2
CONSISTENCY_WORDINGS = 3
UNPAIRED = frozenset({"critique_wrong_accuracy"})


def choose_readout(gate: Outcomes) -> Readout:
    """The mean over critiques where it beats the plain reward by a standard error on the gate split, else plain.

    Critiques cost M generations and M passes a response; a difference that chance makes is not worth them.
    """
    gain = (credit(gate.margins("critiques")) - credit(gate.margins("plain")))[gate.original]
    gain = gain[np.isfinite(gain)]
    if not len(gain):
        return "plain"
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else 0.0
    return "critiques" if gain.mean() > 0 and gain.mean() >= error else "plain"


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
    ``balanced``: see :func:`item_values`. Accuracies count a tie as one half; consistency counts it as wrong. Where
    evidence judged the exam, every figure's name says so (:mod:`vlrm.evaluation.naming`).
    """
    temperature = 1.0 if gate is None else fit_temperature(gate.margins(readout)[gate.original])
    resampler = Resampler(outcomes.clusters, draws, seed)
    values = item_values(outcomes, readout, balanced)
    figures = {name: resampler.mean(value) for name, value in values.items()}
    margin = np.where(outcomes.original, outcomes.margins(readout), np.nan)
    figures["ece_before"] = calibration_error(margin, 1.0, resampler)
    figures["ece_after"] = calibration_error(margin, temperature, resampler)
    figures["verdict_flip_sensitivity"] = verdict_flip_sensitivity(outcomes, resampler)
    right, exam = values["hallucination_accuracy"], outcomes.exam
    return Metrics(
        readout=readout,
        temperature=temperature,
        figures=named(figures, exam),
        by_kind=named(_grouped("kind", exam, right, resampler), exam),
        by_part=named(_grouped("part", exam, right, resampler), exam),
        by_source=named(_grouped("source", exam, right, resampler), exam),
    )


def item_values(outcomes: Outcomes, readout: Readout, balanced: np.ndarray | None = None) -> dict[str, Floats]:
    """Figure name -> its value on each exam row (NaN: not part of it); a figure is the mean of its row
    values.

    These are what paired differences and bootstraps over seeds are computed from. ``balanced``: rows [items]
    of the subset on which a text-only classifier stands at a coin's level
    (:func:`vlrm.evaluation.baselines.balanced_subset`), used by the blank and swapped figures without a
    suffix.
    """
    exam, original = outcomes.exam, outcomes.original
    right = np.where(original, credit(outcomes.margins(readout)), np.nan)

    def over(values: Floats, rows: np.ndarray | pl.Series) -> Floats:
        return np.where(np.asarray(rows, dtype=bool) & original, values, np.nan)

    verdict = outcomes.verdict_margin()
    experts = exam["experts_right"]
    wrong = experts.eq(False).fill_null(False)
    # An exam whose column is all null was never shown to the experts: that is no silence.
    silent = experts.is_null() & experts.is_not_null().any()
    values = {
        "hallucination_accuracy": right,
        "quad_accuracy": quad_credit(outcomes, right),
        "quad_member_accuracy": over(right, exam["quad_id"].is_not_null()),
        "organic_accuracy": over(right, exam["source"] == "organic"),
        "edited_accuracy": over(right, exam["source"] == "edited"),
        "plain_accuracy": over(credit(outcomes.margins("plain")), original),
        "critiques_accuracy": over(credit(outcomes.margins("critiques")), original),
        "majority_verdict_accuracy": over(credit(verdict), original),
        "critique_wrong_accuracy": over(right, verdict < 0),
        "experts_wrong_accuracy": over(right, wrong),
        "experts_silent_accuracy": over(right, silent),
        "experts_wrong_or_silent_accuracy": over(right, silent | wrong),
    }
    for part in ("prior_breaking", "prior_conforming", "unseen_combination"):
        values[f"{part}_accuracy"] = over(right, exam["part"] == part)
    quads = exam["quad_id"].is_not_null().to_numpy()
    views: tuple[View, ...] = ("blank", "swapped")
    for view in views:
        blind = credit(outcomes.margins(readout, view))
        name = f"{view}_image_accuracy"
        values[name] = over(blind, original if balanced is None else balanced)
        values |= {f"{name}_quads": over(blind, quads), f"{name}_single": over(blind, ~quads)}
        values[f"{name}_all"] = over(blind, original)
        for part in ("prior_breaking", "prior_conforming"):
            values[f"{name}_{part}"] = over(blind, exam["part"] == part)
    return values | _consistency(outcomes)


def gains(
    ours: Outcomes,
    readout: Readout,
    theirs: Outcomes,
    their_readout: Readout,
    *,
    balanced: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Figure]:
    """Paired differences ours - theirs of every figure both have, on one exam (rows in the same order).

    Without ``critique_wrong_accuracy``: each model's critiques err on other pairs. ``balanced``: as in
    evaluate.
    """
    if ours.exam["item_id"].to_list() != theirs.exam["item_id"].to_list():
        raise ValueError("paired differences need two scorings of one exam")
    resampler = Resampler(ours.clusters, draws, seed)
    left = item_values(ours, readout, balanced)
    right = item_values(theirs, their_readout, balanced)
    found = {name: paired_difference(left[name], right[name], resampler) for name in left if name not in UNPAIRED}
    return named({name: figure for name, figure in found.items() if figure is not None}, ours.exam)


def quad_credit(outcomes: Outcomes, right: Floats) -> Floats:
    """Both pairs of a quad right, on the row of its first pair (NaN elsewhere).

    The product of the two credits: a tie is worth what breaking it by a coin would be, so one that ties on both has
    1/4. One that prefers an answer without looking has one of the two pairs wrong, and 0.
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


def _consistency(outcomes: Outcomes) -> dict[str, Floats]:
    """Reasoning consistency over groups of six, and over the three wordings without critiques."""
    seeds = outcomes.seeds()[:CONSISTENCY_SEEDS]
    values = {}
    values["plain_consistency"], values["plain_member_accuracy"] = group_credit(outcomes, outcomes.margin()[:, None])
    # Fewer than two critique seeds would make groups of three: an easier exam under the same name.
    whole, member = np.full((2, len(outcomes.exam)), np.nan)
    if len(seeds) == CONSISTENCY_SEEDS:
        whole, member = group_credit(outcomes, np.stack([outcomes.margin(sample=s) for s in seeds], axis=1))
    return values | {"reasoning_consistency": whole, "reasoning_member_accuracy": member}


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

    def ratio(sums: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[:, 0] / sums[:, 1])

    columns = [np.where(inside, moved[view], 0.0) for view in ("flipped", "swapped")]
    return resampler.statistic(columns, ratio, int(inside.sum()))


def _grouped(column: str, exam: pl.DataFrame, right: Floats, resampler: Resampler) -> dict[str, Figure]:
    names = exam[column].drop_nulls().unique().sort().to_list()
    found = {name: resampler.mean(np.where((exam[column] == name).to_numpy(), right, np.nan)) for name in names}
    return {name: figure for name, figure in found.items() if figure is not None}
