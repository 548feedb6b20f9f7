"""Made-up exams and scores of realistic shape, for tests of figures and of the report."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vlrm.schema import EXAM, SCORES

KINDS = ("existence", "count", "attribute", "relation", "text")
PARTS = ("iid", "prior_breaking", "prior_conforming", "unseen_combination")


def item(item_id: str, image: str | None = None, **facts: object) -> dict[str, object]:
    """One EXAM row with harmless defaults."""
    image = image or f"img-{item_id}"
    return {
        "item_id": item_id, "split": "report", "part": "iid", "source": "edited", "kind": "attribute",
        "image": f"{image}.png", "image_sha256": image, "question": "What can you see?",
        "chosen": "There is a red star.", "rejected": "There is a blue star.",
        "quad_id": None, "group_id": None, "differing_kinds": ["attribute"], "experts_right": None,
    } | facts  # fmt: skip


def exam_of(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=EXAM)


def score(
    item_id: str, margin: float | None, view: str = "image", sample: int = -1, **facts: object
) -> dict[str, object]:
    rejected = None if margin is None else 0.25
    chosen = None if margin is None else 0.25 + margin
    return {
        "item_id": item_id, "view": view, "sample": sample, "chosen_reward": chosen, "rejected_reward": rejected,
        "chosen_verdict": None, "rejected_verdict": None,
    } | facts  # fmt: skip


def scores_of(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCORES)


def realistic(skill: float, items: int = 300, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """An exam of ``items`` singles, ``items / 4`` quads and ``items / 10`` groups, and scores with that much skill."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(items):
        source = "organic" if number % 2 else "edited"
        said = [f"I can see a {rng.choice(['red', 'blue', 'green'])} star and {n} boxes." for n in ("two", "three")]
        facts = {"kind": KINDS[number % 5], "part": PARTS[number % 4], "source": source}
        facts |= {"chosen": said[number % 2], "rejected": said[1 - number % 2]}
        facts["experts_right"] = None if number % 11 == 0 else bool(number % 9)
        rows.append(item(f"r{number}", f"img{number // 2}", **facts))
    for number in range(items // 4):
        texts = {"chosen": "There is a red star.", "rejected": "There is a blue star."}
        rows.append(item(f"q{number}a", f"img{number}", quad_id=f"q{number}", part="prior_breaking", **texts))
        texts = {"chosen": texts["rejected"], "rejected": texts["chosen"]}
        rows.append(item(f"q{number}b", f"new{number}", quad_id=f"q{number}", part="prior_conforming", **texts))
    for number in range(items // 10):
        rows[number]["group_id"] = rows[number]["item_id"]
        rows += [rows[number] | {"item_id": f"r{number}/p{p}"} for p in (1, 2)]
    scores = []
    for row in rows:
        name, base = str(row["item_id"]), rng.normal(skill, 1)
        scores.append(score(name, base))
        scores += [score(name, rng.normal(0, 0.5), view=view) for view in ("blank", "swapped")]
        for sample in (0, 1):
            verdicts = {
                "chosen_verdict": "right" if rng.random() < 0.65 else "wrong",
                "rejected_verdict": "right" if rng.random() < 0.4 else "wrong",
            }
            scores.append(score(name, base + rng.normal(0.1, 0.4), sample=sample, **verdicts))
            scores += [score(name, rng.normal(0, 0.5), view=view, sample=sample) for view in ("blank", "swapped")]
    return exam_of(*rows), scores_of(*scores)
