"""The exam where no truth is known: pairs that the experts' evidence settles, quads found on other images."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vlrm.claims.extract import extract_claims
from vlrm.claims.table import objects_by_image, verify_responses
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.counterfactuals import CounterfactualSettings, edit_candidates
from vlrm.evaluation.balance import balanced_choice
from vlrm.evaluation.exam import ExamSizes, paraphrase_groups
from vlrm.rejection_sampling.offer import offer_pairs
from vlrm.rejection_sampling.select import select_pairs
from vlrm.schema import EXAM, USER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.claims.reliability import Reliability
    from vlrm.rejection_sampling.rule import Rule

Unit = list[dict[str, Any]]
"""The two pairs of a quad, or one pair."""


def exam_by_evidence(
    prompts: pa.Table,
    candidates: pa.Table,
    evidence: pa.Table,
    reliability: Reliability,
    counterfactuals: CounterfactualSettings,
    rule: Rule,
    tau: float,
    sizes: ExamSizes,
    split: str,
    seed: int,
    vocabulary: Vocabulary = EMBEDDED,
) -> pa.Table:
    """EXAM of one split: its candidates and their edits, verified and accepted as pairs to train on are.

    ``prompts``, ``candidates``, ``evidence``: of this split alone, so that the other image of a quad, which is found
    by its evidence, is one that no round trains on either. No reward model has a veto here. Fewer items than asked
    for are made where the evidence settles no more.
    """
    claims = verify_responses(candidates, prompts, evidence, reliability, vocabulary)
    edits, quad_prompts, _ = edit_candidates(
        candidates, claims, prompts, objects_by_image(evidence), reliability, counterfactuals, seed, {}, _render,
        vocabulary,
    ).tables()  # fmt: skip
    asked = pa.concat_tables([prompts, quad_prompts])
    edit_claims = verify_responses(edits, asked, evidence, reliability, vocabulary)
    offered = offer_pairs(
        pa.concat_tables([candidates, edits]), pa.concat_tables([claims, edit_claims]), asked, rule.count_silent
    )
    unlimited = rule.model_copy(update={"budget": max(1, offered.num_rows)})
    sure = select_pairs(offered, unlimited, tau, seed=seed).kept.to_pylist()
    paths = dict(zip(prompts["image_sha256"].to_pylist(), prompts["image"].to_pylist(), strict=True))
    rng = np.random.default_rng(seed)
    items = [
        _item(row, source, quad, paths, vocabulary) | {"item_id": f"{split}-{number:05d}", "split": split}
        for number, (row, source, quad) in enumerate(_chosen(sure, sizes, rng))
    ]
    return pa.Table.from_pylist(items + paraphrase_groups(items, rng, sizes.groups, vocabulary), EXAM)


def _render(scene: Any) -> tuple[str, str]:
    raise AssertionError("nothing is rendered where no scene is known")


def _chosen(
    sure: Sequence[dict[str, Any]], sizes: ExamSizes, rng: np.random.Generator
) -> list[tuple[dict[str, Any], str, str | None]]:
    """(pair, organic or edited, quad id) of every item: candidates, then quads, then single edits of what is left."""
    organic = [row | {"_of": row["prompt_id"]} for row in sure if row["source"] != "counterfactual"]
    units: defaultdict[str, Unit] = defaultdict(list)
    for row in sure:
        if row["source"] == "counterfactual":
            units[row["quad_id"]].append(row)
    quads = _spread([unit for unit in units.values() if len(unit) == 2], sizes.quads, rng)
    taken = {unit[0]["quad_id"] for unit in quads}
    singles = _spread([unit[:1] for name, unit in units.items() if name not in taken], sizes.edited, rng)
    return [
        *((row, "organic", None) for row in balanced_choice(organic, sizes.organic, rng)),
        *((row, "edited", row["quad_id"]) for unit in quads for row in unit),
        *((row, "edited", None) for unit in singles for row in unit),
    ]


def _spread(units: Sequence[Unit], wanted: int, rng: np.random.Generator) -> list[Unit]:
    """Up to ``wanted`` units in random order, taking turns between the kinds of claim that were edited."""
    waiting: dict[str, list[Unit]] = {}
    for index in rng.permutation(len(units)):
        waiting.setdefault(units[index][0]["kind"], []).append(units[index])
    turns = sorted((place, kind, unit) for kind, held in sorted(waiting.items()) for place, unit in enumerate(held))
    return [unit for _, _, unit in turns[:wanted]]


def _item(
    row: Mapping[str, Any], source: str, quad: str | None, paths: Mapping[str, str], vocabulary: Vocabulary
) -> dict[str, Any]:
    chosen, rejected = (
        {claim.key(): claim.kind for claim in extract_claims(row[side], row["question"], vocabulary)}
        for side in ("chosen", "rejected")
    )
    differing = [kind for key, kind in (chosen | rejected).items() if (key in chosen) != (key in rejected)]
    same = ("image_sha256", "question", "chosen", "rejected")
    return {name: row[name] for name in same} | {
        "image": paths[row["image_sha256"]],
        "part": USER,
        "source": source,
        "kind": "existence" if row["kind"] == "object" else row["kind"],
        "quad_id": quad,
        "group_id": None,
        "differing_kinds": sorted(set(differing)),
        "experts_right": None,
    }
