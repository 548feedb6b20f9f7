"""The figures of the photos benchmark from item-level results, each with an interval over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from photos_exam import ADVERSARIAL, chair, first_and_best
from vlrm.evaluation.bootstrap import Resampler, paired_difference, ratio
from vlrm.evaluation.judges.detector_rule import DetectorRule
from vlrm.evaluation.judges.protocol import TIE
from vlrm.evaluation.judges.text_only import TextOnly
from vlrm.images import open_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from photos_exam import Photos
    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.judges.protocol import Judge

BATCH = 64
DIFFERING = {
    "items": "items", "number": "number", "both_right": "both right", "only_reward_model": "reward model alone",
    "only_detector": "detector rule alone", "both_wrong": "both wrong",
}  # fmt: skip
"""Of :func:`against_detector`: key -> head of the column."""
Right = dict[str, float]
"""Item key -> 1 right, 0 wrong, one half for a tie."""


def judged_by_rule(items: Sequence[Item], photos: Photos) -> Right:
    """The detector as the judge, by its measured reliability; it looks at each photo itself."""
    by_image = sorted(items, key=lambda item: str(item.image))
    return _judged(DetectorRule(), by_image, photos)


def judged_by_text(items: Sequence[Item]) -> Right:
    """A classifier of words, 5-fold by image; each POPE split by itself, as it repeats the others' questions."""
    found: Right = {}
    for category in sorted({item.category for item in items}):
        some = [item for item in items if item.category == category]
        found |= _judged(TextOnly(some), some, None)
    return found


def _judged(judge: Judge, items: Sequence[Item], photos: Photos | None) -> Right:
    found: Right = {}
    for start in range(0, len(items), BATCH):
        part = items[start : start + BATCH]
        images = [open_image(photos.file(str(i.image))) if photos else None for i in part]
        for item, (judgement, *_) in zip(part, judge.judge(part, images), strict=True):
            undecided = judgement.preferred in (None, TIE)
            found[item.key] = 0.5 if undecided else float(judgement.preferred == item.better)
    return found


def right_by_rewards(rewards: Mapping[str, Sequence[float]], items: Sequence[Item]) -> Right:
    """Whether the better answer has the higher reward."""
    found: Right = {}
    for item in items:
        if item.key in rewards and item.better is not None:
            margin = rewards[item.key][item.better] - rewards[item.key][1 - item.better]
            found[item.key] = 0.5 if margin == 0 else float(margin > 0)
    return found


def figures_of(
    scores: Sequence[Mapping[str, Any]], items: Sequence[Item], photos: Photos, rule: Right, text: Right
) -> dict[str, Any]:
    """Figures over the folds of ``scores``; every judge on the items of these folds alone."""
    zero, last = _first_and_last(scores)
    asked = [item for item in items if item.key in last]
    ours, before = right_by_rewards(last, asked), right_by_rewards(zero, asked)
    figures: dict[str, Any] = {}
    pairs = [item for item in asked if item.task == "pair"]
    figures |= _accuracies("", "accuracy", pairs, {"pair": ours, "detector_only": rule, "text_only": text})
    figures |= _accuracies("", "accuracy_round0", pairs, {"pair": before})
    for name, rewards in zip(
        ("accuracy_round0_plain", "accuracy_plain"), _first_and_last(scores, "plain"), strict=True
    ):
        figures |= _accuracies("", name, pairs, {"pair": right_by_rewards(rewards, asked)})
    adversarial = [item for item in asked if item.category == ADVERSARIAL]
    for view in scores[0]["blind"]:
        seen = right_by_rewards({k: v for one in scores for k, v in one["blind"][view].items()}, asked)
        figures |= _accuracies("", f"accuracy_{view}", pairs, {"pair": seen})
        figures |= _accuracies("pope_adversarial_", f"accuracy_{view}", adversarial, {"": seen})
    figures["pair_gain"] = difference(pairs, ours, before)
    figures["pair_over_detector"] = difference(pairs, ours, rule)
    wrong = [item for item in pairs if rule[item.key] < 1]
    figures |= _accuracies("", "accuracy_where_detector_errs_or_ties", wrong, {"pair": ours})
    val = [item for item in pairs if item.image in photos.val2017]
    figures |= _accuracies("", "accuracy_val2017", val, {"pair": ours, "detector_only": rule})
    for split in ("random", "popular", ADVERSARIAL):
        some = [item for item in asked if item.category == split]
        name = f"pope_{split}_"
        figures |= _accuracies(name, "accuracy", some, {"": ours, "detector_only": rule, "text_only": text})
        figures |= _accuracies(name, "accuracy_round0", some, {"": before})
        figures[f"{name}over_detector"] = difference(some, ours, rule)
    return {
        name: None if one is None else one.model_dump() for name, one in (figures | _best_of(scores, photos)).items()
    }


def against_detector(scores: Sequence[Mapping[str, Any]], items: Sequence[Item], rule: Right) -> list[dict[str, Any]]:
    """Where the reward model and the detector rule differ: how many items each alone has right (a tie is wrong)."""
    ours = right_by_rewards(_first_and_last(scores)[1], items)
    groups: dict[str, list[Item]] = {}
    for item in items:
        if item.key in ours and item.task == "pair":
            groups.setdefault(f"caption pairs, {item.category} edited", []).append(item)
        elif item.key in ours and item.better is not None:
            groups.setdefault(f"POPE {item.category}, answer {item.responses[item.better].lower()}", []).append(item)
    found = []
    for name, some in sorted(groups.items()):
        both = [(ours[item.key] == 1, rule[item.key] == 1) for item in some]
        counts = [both.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
        found.append(dict(zip(DIFFERING, [name, len(both), *counts], strict=True)))
    return found


def wrong_pairs(scores: Sequence[Mapping[str, Any]], items: Sequence[Item], rule: Right) -> list[dict[str, Any]]:
    """The caption pairs that the last round has wrong, with its margin, and who has them right."""
    zero, last = _first_and_last(scores)
    ours, before = (right_by_rewards(rewards, items) for rewards in (last, zero))
    found = []
    for item in items:
        if item.task == "pair" and item.better is not None and ours.get(item.key, 1) < 1:
            better, worse = item.better, 1 - item.better
            found.append({
                "image": str(item.image), "true": item.responses[better], "false": item.responses[worse],
                "margin": round(last[item.key][better] - last[item.key][worse], 4),
                "round0_right": before[item.key] == 1, "detector_right": rule[item.key] == 1,
            })  # fmt: skip
    return sorted(found, key=lambda row: (row["image"], row["margin"]))


def _first_and_last(
    scores: Sequence[Mapping[str, Any]], kind: str = "rewards"
) -> tuple[dict[str, Sequence[float]], dict[str, Sequence[float]]]:
    """Rewards by item key of round 0 and of the last round, over all folds; ``kind`` plain: not read by claim."""
    zero: dict[str, Sequence[float]] = {}
    last: dict[str, Sequence[float]] = {}
    for one in scores:
        zero |= one[kind][min(one[kind])]
        last |= one[kind][max(one[kind])]
    return zero, last


def _resampler(items: Sequence[Item]) -> Resampler:
    return Resampler(np.unique([str(item.image) for item in items], return_inverse=True)[1].astype(np.int64))


def _accuracies(prefix: str, suffix: str, items: Sequence[Item], judges: Mapping[str, Right]) -> dict[str, Any]:
    found = {}
    for judge, right in judges.items():
        found["_".join(filter(None, [judge, prefix.rstrip("_"), suffix]))] = accuracy(items, right)
    return found


def accuracy(items: Sequence[Item], right: Right) -> Figure | None:
    values = np.array([right[item.key] for item in items], dtype=np.float64)
    return _resampler(items).mean(values) if len(items) else None


def difference(items: Sequence[Item], ours: Right, theirs: Right) -> Figure | None:
    """Accuracy of ``ours`` minus that of ``theirs``, item by item."""
    if not items:
        return None
    mine, its = (np.array([right[item.key] for item in items]) for right in (ours, theirs))
    return paired_difference(mine, its, _resampler(items))


def _best_of(scores: Sequence[Mapping[str, Any]], photos: Photos) -> dict[str, Any]:
    """Share of the objects named that the boxes contradict (CHAIR_i), and true objects beside the first sample's."""
    said = chair([row for one in scores for row in one["texts"]], photos)
    chosen = first_and_best(said)
    plain = first_and_best([row | {"reward": row["plain"]} for row in said])
    resampler = Resampler(np.arange(len(chosen), dtype=np.int64))
    columns = {key: np.array([row[key] for row in chosen], dtype=np.float64) for key in chosen[0] if key != "image"}
    columns |= {f"plain_{side}": np.array([row[f"best_{side}"] for row in plain], float) for side in ("false", "true")}

    def share(top: np.ndarray, bottom: np.ndarray) -> Figure | None:
        means = [resampler.mean(values, share=False) for values in (top, bottom)]
        return ratio(*means, resampler.draws_of_mean(top), resampler.draws_of_mean(bottom))

    def contradicted(pick: str) -> Figure | None:
        return share(columns[f"{pick}_false"], columns[f"{pick}_false"] + columns[f"{pick}_true"])

    return {
        "chair_first": contradicted("first"),
        "chair_best_of_8": contradicted("best"),
        "chair_best_of_8_plain": contradicted("plain"),
        "chair_chosen_by_boxes": contradicted("truest"),
        "true_objects_first": resampler.mean(columns["first_true"], share=False),
        "true_objects_best_of_8": resampler.mean(columns["best_true"], share=False),
        "coverage_of_first": share(columns["best_true"], columns["first_true"]),
    }
