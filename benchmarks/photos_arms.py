"""What each part is worth on photos: the arms of ``kedro run --pipelines ablate`` on a fold, judged by people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loop_tables import points
from photos_exam import ADVERSARIAL
from photos_figures import accuracy, difference, right_by_rewards
from vlrm.ablation.arms import ON_OWN_IMAGES
from vlrm.evaluation.summary import with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from photos_folds import HeldOut
    from vlrm.evaluation.benchmarks.item import Item

ASKED = {
    "pair": ("rewards", None), "pair_plain": ("plain", None), "pope_random": ("rewards", "random"),
    "pope_popular": ("rewards", "popular"), "pope_adversarial": ("rewards", ADVERSARIAL),
}  # fmt: skip
"""Figure -> the reading, and the category of its items; None: the caption pairs. No object is named in POPE's answers,
so that both readings are one."""
COMPARED = ("pair", "pair_plain", "pope_adversarial")
HEADS = (
    "arm", "pairs", "pairs, plain", "POPE random", "popular", "adversarial", "pairs, over the loop, points",
    "plain, points", "adversarial, points",
)  # fmt: skip
Scored = dict[str, dict[str, list[float]]]
"""``rewards`` and ``plain``, those not read by claim: by item key."""


def arms_of(line: Path) -> dict[str, Path]:
    """The reward model of every trained arm of a finished ablation, in the order of the table of arms."""
    found = {name: sorted((line / "ablation" / name).glob("[0-9][0-9]/reward_model")) for name in ON_OWN_IMAGES}
    return {name: models[-1] for name, models in found.items() if models}


def scores_of_arms(held_out: HeldOut) -> dict[str, Scored]:
    """Rewards of the fold's own items by arm; kept beside the run by the content of the arm's model."""
    file = held_out.run.notes / "arms.json"
    known: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    arms = arms_of(held_out.run.line)
    for name, model in arms.items():
        key = held_out.key(model)
        if known.get(name, {}).get("key") != key:
            rewards, plain = held_out.both(model)
            known[name] = {"key": key, "rewards": rewards, "plain": plain}
            part = file.with_suffix(".part")
            part.write_text(json.dumps(known) + "\n", encoding="utf-8")
            part.replace(file)
    return {name: {reading: known[name][reading] for reading in ("rewards", "plain")} for name in arms}


def figures_of_arms(full: Scored, arms: Mapping[str, Scored], items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """Accuracies of every arm, and the paired difference to the full loop's reward model (``..._over_full``)."""
    asked = [item for item in items if item.key in full["rewards"]]
    found = {}
    for name, scored in {"full": full, **arms}.items():
        figures = {}
        for title, (reading, category) in ASKED.items():
            some = [item for item in asked if (item.task == "pair" if category is None else item.category == category)]
            ours, theirs = (right_by_rewards(one[reading], some) for one in (full, scored))
            figures[f"{title}_accuracy"] = accuracy(some, theirs)
            if name != "full":
                figures[f"{title}_over_full"] = difference(some, theirs, ours)
        found[name] = {key: None if one is None else one.model_dump() for key, one in figures.items()}
    return found


def rows_of_arms(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A table of :func:`figures_of_arms` with :data:`HEADS`."""
    return [
        [
            name.replace("_", " "),
            *(with_interval(figures.get(f"{title}_accuracy")) for title in ASKED),
            *(points(figures.get(f"{title}_over_full")) for title in COMPARED),
        ]
        for name, figures in found.items()
    ]
