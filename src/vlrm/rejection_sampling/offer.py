"""Every pair a round offers: candidates of one prompt against each other, edits against their parents,
quads."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.policy.sources import SAMPLED, WRITTEN
from vlrm.rejection_sampling.distributions import compare, expert_margin
from vlrm.schema import PAIRS, Claim, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFERED = PAIRS.append(pa.field("chosen_lowest", pa.float64())).append(pa.field("rejected_lowest", pa.float64()))
"""PAIRS and what the rule needs beside it: the least probable claim of the chosen side, and the least probable claim
that only the rejected side makes (1 where there is none)."""
SEVEREST = 2.0
CANDIDATES = "candidates"
PAIRED = (CANDIDATES, *(source for source in WRITTEN if source != SAMPLED))
"""Sources of pairs of two answers that nobody edited."""


@dataclass(frozen=True)
class _Judged:
    """One verified claim; two of equal key or equal core are the same statement about the same thing."""

    key: tuple[Any, ...]
    core: tuple[Any, ...]
    kind: str
    probability: float
    decided: bool
    silent: bool


def offer_pairs(responses: pa.Table, claims: pa.Table, prompts: pa.Table, count_silent: bool = True) -> pa.Table:
    """All pairs, as OFFERED; ``chosen`` is the side that more probably has fewer false claims.

    Sampled candidates of a prompt pair with each other where their texts differ (source ``candidates``); a
    counterfactual pairs with its parent, and the two answers of a quad's other image with each other (source
    ``counterfactual``). Claims that both sides make drop out, and without ``count_silent`` those on which no expert
    says anything: q+, q- and severity are then of the others alone, and ``verifiable`` still counts them. The order of
    rows does not depend on the order of the input tables.
    """
    questions = {row["prompt_id"]: row["question"] for row in prompts.select(["prompt_id", "question"]).to_pylist()}
    judged: defaultdict[str, list[_Judged]] = defaultdict(list)
    for row in claims.to_pylist():
        judged[row["response_id"]].append(_judged(row))
    rows = [
        _pair(first, second, source, judged, questions, count_silent)
        for first, second, source in _couples(responses.to_pylist())
    ]
    rows.sort(key=lambda row: (row["prompt_id"], row["source"], row["pair_id"]))
    return pa.Table.from_pylist(rows, schema=OFFERED)


def _couples(responses: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    by_id = {row["response_id"]: row for row in responses}
    sampled: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    quads: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(responses, key=lambda r: r["response_id"]):
        if row["source"] in WRITTEN:
            # The first of equal texts stands for all of them.
            sampled[row["prompt_id"], row["image_sha256"]].setdefault(" ".join(row["text"].split()), row)
        elif row["source"] == "quad":
            quads[row["quad_id"]].append(row)
        elif row["source"] == "counterfactual" and row["parent_id"] in by_id:
            yield by_id[row["parent_id"]], row, "counterfactual"
    for texts in sampled.values():
        for first, second in combinations(texts.values(), 2):
            yield first, second, _source(first, second)
    for sides in quads.values():
        if len(sides) == 2 and sides[0]["text"] != sides[1]["text"]:
            yield sides[0], sides[1], "counterfactual"


def _source(first: dict[str, Any], second: dict[str, Any]) -> str:
    """``candidates``, or what the side that was not written about the image was written about."""
    others = [side["source"] for side in (first, second) if side["source"] != SAMPLED]
    return max(others, key=WRITTEN.index) if others else CANDIDATES


def _judged(row: dict[str, Any]) -> _Judged:
    claim = claim_from_json(row["claim"])
    return _Judged(
        claim.key(),
        _core(claim, row["evidence_ids"] or []),
        claim.kind,
        float(row["probability"]),
        row["verdict"] != "unverifiable",
        row["families"] is not None and not any(json.loads(row["families"]).values()),
    )


def _core(claim: Claim, evidence_ids: list[str]) -> tuple[Any, ...]:
    """The statement apart from how its objects are described, with the evidence it was bound to.

    "a small red star" and "a small blue star", both said of the one star in the image, share its being small.
    """
    if claim.kind in ("count", "existence") and (claim.kind == "count" or not claim.polarity):
        return claim.key()
    other = claim.other.noun if claim.other else None
    about = (claim.subject.noun, other, tuple(evidence_ids))
    return (claim.kind, claim.attribute, claim.value, claim.relation, claim.polarity, about)


def _only(mine: list[_Judged], theirs: list[_Judged]) -> list[_Judged]:
    """My claims that the other side does not make."""
    keys, cores = {claim.key for claim in theirs}, Counter(claim.core for claim in theirs)
    return [claim for claim in mine if claim.key not in keys and not cores[claim.core]]


def _pair(
    first: dict[str, Any],
    second: dict[str, Any],
    source: str,
    judged: dict[str, list[_Judged]],
    questions: dict[str, str],
    count_silent: bool,
) -> dict[str, Any]:
    mine, theirs = judged.get(first["response_id"], []), judged.get(second["response_id"], [])
    sides = [(first, mine, _only(mine, theirs)), (second, theirs, _only(theirs, mine))]
    false = [[1 - c.probability for c in side[2] if count_silent or not c.silent] for side in sides]
    q_plus, q_minus = compare(*false)
    if q_minus > q_plus:
        sides.reverse()
        false.reverse()
        q_plus, q_minus = q_minus, q_plus
    (chosen, all_chosen, only_chosen), (rejected, _, only_rejected) = sides
    differing = only_chosen + only_rejected
    falser = sum(false[1]) - sum(false[0])
    names = sorted((first["response_id"], second["response_id"]))
    telling = min(only_rejected or only_chosen, key=lambda c: c.probability, default=None)
    words = [max(1, len(side["text"].split())) for side in (chosen, rejected)]
    edit = first.get("edit_kind") or second.get("edit_kind")
    return {
        "pair_id": hashlib.sha256("\n".join(names).encode()).hexdigest()[:16],
        "prompt_id": first["prompt_id"],
        "image_sha256": first["image_sha256"],
        "question": questions.get(first["prompt_id"], ""),
        "chosen_id": chosen["response_id"],
        "rejected_id": rejected["response_id"],
        "chosen": chosen["text"],
        "rejected": rejected["text"],
        "source": source,
        "kind": edit or (telling.kind if telling else "none"),
        "quad_id": first.get("quad_id") or second.get("quad_id") if source == "counterfactual" else None,
        "q_plus": q_plus,
        "q_minus": q_minus,
        "expert_margin": expert_margin(q_plus, q_minus),
        "verifiable": sum(c.decided for c in differing) / len(differing) if differing else 0.0,
        "length_ratio": words[0] / words[1],
        "severity": max(0.0, min(SEVEREST, falser)),
        "chosen_lowest": min((c.probability for c in all_chosen), default=1.0),
        "rejected_lowest": min((c.probability for c in only_rejected), default=1.0),
    }
