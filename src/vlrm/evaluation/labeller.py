"""Whether the experts' evidence orders an exam pair rightly: what a student is held against where they
err."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pyarrow as pa

from vlrm.rejection_sampling.distributions import compare, expert_margin
from vlrm.schema import EXAM, PROMPTS, RESPONSES, claim_from_json

SILENT = math.log(4)
"""An expert margin within this of zero says nothing, as a claim's log-odds within it are unverifiable."""


def exam_responses(exam: pa.Table) -> tuple[pa.Table, pa.Table]:
    """RESPONSES and PROMPTS of an exam, ready for :func:`vlrm.claims.table.verify_responses`.

    Response ids are ``<item_id>/chosen`` and ``<item_id>/rejected``; prompt ids are item ids.
    """
    responses: list[dict[str, Any]] = []
    prompts: list[dict[str, Any]] = []
    for row in exam.to_pylist():
        item, sha = row["item_id"], row["image_sha256"]
        prompts.append({"prompt_id": item} | {n: row[n] for n in ("image", "image_sha256", "question", "kind", "part")})
        for side in ("chosen", "rejected"):
            facts = {
                "response_id": f"{item}/{side}",
                "prompt_id": item,
                "image_sha256": sha,
                "text": row[side],
            }
            responses.append(facts | {"source": "sampled" if row["source"] == "organic" else "counterfactual"})
    return pa.Table.from_pylist(responses, schema=RESPONSES), pa.Table.from_pylist(prompts, schema=PROMPTS)


def with_experts(exam: pa.Table, claims: pa.Table) -> pa.Table:
    """The exam with ``experts_right`` filled from the verified CLAIMS of :func:`exam_responses`.

    True where the evidence prefers ``chosen``, False where it prefers ``rejected``, null where it is silent.
    """
    false: defaultdict[str, dict[Any, float]] = defaultdict(dict)
    for row in claims.select(["response_id", "claim", "probability"]).to_pylist():
        false[row["response_id"]][claim_from_json(row["claim"]).key()] = 1.0 - row["probability"]
    right = [_prefers_first(false[f"{i}/chosen"], false[f"{i}/rejected"]) for i in exam["item_id"].to_pylist()]
    place = EXAM.get_field_index("experts_right")
    return exam.set_column(place, EXAM.field(place), pa.array(right, pa.bool_()))


def _prefers_first(chosen: dict[Any, float], rejected: dict[Any, float]) -> bool | None:
    only = ([p for k, p in one.items() if k not in other] for one, other in ((chosen, rejected), (rejected, chosen)))
    margin = expert_margin(*compare(*only))
    return None if abs(margin) < SILENT else margin > 0
