"""Offered pairs, scenes and exams made up for the tests of the ablation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.evaluation.outcomes import Outcomes
from vlrm.rejection_sampling.offer import OFFERED
from vlrm.scenes.world import Scene, SceneObject
from vlrm.schema import EXAM, SCORES

if TYPE_CHECKING:
    import numpy as np

RED_STAR = Scene((SceneObject("star", "red", "large", "plain", None, 0.5, 0.5, 0.14),), 1)
TRUE, FALSE = "There is a red star.", "There is a blue star."


def pair(number: int, **given: Any) -> dict[str, Any]:
    """An acceptable offered pair of candidates unless told otherwise."""
    return {
        "pair_id": f"p{number:04}", "prompt_id": f"q{number}", "image_sha256": f"s{number}", "question": "What is there?",
        "chosen_id": f"c{number}", "rejected_id": f"r{number}", "chosen": TRUE, "rejected": FALSE,
        "source": "candidates", "kind": "attribute", "quad_id": None, "q_plus": 0.99, "q_minus": 0.005,
        "expert_margin": 4.0, "verifiable": 1.0, "length_ratio": 1.0, "severity": 1.0, "chosen_lowest": 0.95,
        "rejected_lowest": 0.02, **given,
    }  # fmt: skip


def offered(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), OFFERED)


def outcomes(margins: np.ndarray, blank: np.ndarray | None = None, verdicts: np.ndarray | None = None) -> Outcomes:
    """A report of ``len(margins)`` pairs, every fourth two of which are a quad, with these plain margins."""
    exam, scores = [], []
    for number, margin in enumerate(margins):
        in_quad = number % 4 >= 2
        exam.append({
            "item_id": f"i{number}", "split": "report", "part": "prior_breaking" if number % 2 else "iid",
            "source": "edited" if in_quad else "organic", "kind": "attribute", "image": f"{number}.png",
            "image_sha256": f"s{number}", "question": "?", "chosen": TRUE, "rejected": FALSE,
            "quad_id": f"k{number // 4}" if in_quad else None, "group_id": None, "differing_kinds": ["attribute"],
            "experts_right": bool(number % 5),
        })  # fmt: skip
        scores.append(_score(number, "image", -1, margin))
        if blank is not None:
            scores.append(_score(number, "blank", -1, blank[number]))
        if verdicts is not None:
            says = ("right", "wrong") if verdicts[number] > 0 else ("wrong", "right")
            scores.append(_score(number, "image", 0, margin, *says))
    return Outcomes.read(pa.Table.from_pylist(exam, EXAM), pa.Table.from_pylist(scores, SCORES))


def _score(
    number: int, view: str, sample: int, margin: float, chosen: str | None = None, rejected: str | None = None
) -> dict[str, Any]:
    return {
        "item_id": f"i{number}", "view": view, "sample": sample, "chosen_reward": float(margin), "rejected_reward": 0.0,
        "chosen_verdict": chosen, "rejected_verdict": rejected,
    }  # fmt: skip
