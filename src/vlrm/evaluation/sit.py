"""Lets a reward model sit the exam: rewards of every item as it is, with the image blank, and with it
swapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from vlrm.critiques import grammar, parser
from vlrm.evaluation.bootstrap import image_clusters
from vlrm.evaluation.exam_critiques import SIDES
from vlrm.evaluation.outcomes import PLAIN
from vlrm.images import BLANK, other_place
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.scoring import score
from vlrm.schema import SCORES

if TYPE_CHECKING:
    from vlrm.critiques.templates.template import Template
    from vlrm.evaluation.exam_critiques import ExamCritic
    from vlrm.reward.by_claim import Odds

Say = Callable[[str], None]


def sit(
    model: RewardModel,
    critic: ExamCritic | None,
    items: Sequence[dict[str, Any]],
    view: str,
    samples: int,
    seed: int,
    say: Say,
    flipped: int = 0,
) -> list[dict[str, Any]]:
    """SCORES rows of ``items`` under one view: the plain reward, and one row per critique seed.

    Critiques are written under the same view, without evidence: a blank image is blank for the critic too. The
    critiques of the first ``flipped`` items are read once more with every check turned round, as view "flipped".
    Without ``samples`` no critic is needed.
    """
    shown = images_under(view, items, seed)
    sides = [(image, item["question"], item[side]) for item, image in zip(items, shown, strict=True) for side in SIDES]
    answers: Odds = {}  # of the objects named, the same with a critique and without
    plain = score(model, [Row(*side) for side in sides], known=answers)
    say(f"{view}: {len(sides)} responses scored")
    rows = [_row(item, view, PLAIN, plain[2 * i : 2 * i + 2], (None, None)) for i, item in enumerate(items)]
    if critic is None or samples == 0:
        return rows
    texts = critic.write(items, shown, samples)
    say(f"{view}: {len(texts)} critiques read")
    verdicts = np.array([_verdict(text, critic.template) for text in texts], dtype=object)
    verdicts = verdicts.reshape(len(items), 2, samples)
    readings = {view: (items, texts)}
    if flipped:
        turned = [grammar.flip_checks(text) for text in texts[: 2 * samples * flipped]]
        readings["flipped"] = (items[:flipped], turned)
    for name, (asked, said) in readings.items():
        carried = [Row(*sides[j // samples], grammar.without_verdict(text)) for j, text in enumerate(said)]
        rewards = score(model, carried, known=answers).reshape(len(asked), 2, samples)
        for i, item in enumerate(asked):
            rows += [_row(item, name, m, rewards[i, :, m], verdicts[i, :, m]) for m in range(samples)]
    return rows


def images_under(view: str, items: Sequence[dict[str, Any]], seed: int) -> list[str]:
    """Image reference of each item: its own, its uniform mean colour, or another item's (never its
    quad's)."""
    own = [item["image_sha256"] for item in items]
    if view == "image":
        return own
    if view == "blank":
        return [BLANK + image for image in own]
    linked = pl.DataFrame(
        {"image_sha256": own, "quad_id": [item["quad_id"] for item in items]},
        schema={"image_sha256": pl.String, "quad_id": pl.String},
    )
    family = dict(zip(own, image_clusters(linked).tolist(), strict=True))
    quads = linked.drop_nulls("quad_id").group_by("quad_id").agg(pl.col("image_sha256"))["image_sha256"].to_list()
    names = sorted(set(own))
    place = {name: i for i, name in enumerate(names)}
    members: dict[int, list[int]] = defaultdict(list)
    for name, i in place.items():
        members[family[name]].append(i)
    partners = [{i} for i in range(len(names))]
    for quad in quads:
        for name in quad:
            partners[place[name]].update(place[each] for each in quad)
    rng = np.random.default_rng(seed)
    others = {}
    for name, i in place.items():
        # Where quads were found on a few images, all may be partners: then at least not the image itself.
        tries: list[list[int]] = [sorted({*members[family[name]], *partners[i]}), sorted(partners[i]), [i], []]
        left_out = next(each for each in tries if len(each) < len(names))
        others[name] = names[other_place(int(rng.integers(len(names) - len(left_out))), left_out)]
    return [others[image] for image in own]


def score_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCORES)


def _verdict(text: str, template: Template) -> str | None:
    found = template.read(text)
    return None if isinstance(found, parser.Refusal) else found.verdict


def _row(item: dict[str, Any], view: str, sample: int, rewards: Any, verdicts: Any) -> dict[str, Any]:
    return {
        "item_id": item["item_id"], "view": view, "sample": sample,
        "chosen_reward": float(rewards[0]), "rejected_reward": float(rewards[1]),
        "chosen_verdict": verdicts[0], "rejected_verdict": verdicts[1],
    }  # fmt: skip
