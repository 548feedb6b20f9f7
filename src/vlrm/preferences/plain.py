"""Plain Parquet: every column of the pair, and of both sides the claims, their evidence and accepted critiques."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.schema import PAIRS, F, I, S

if TYPE_CHECKING:
    from vlrm.preferences.pair import JudgedClaim, Preference, Side
    from vlrm.schema import Evidence

FILE = "pairs.parquet"
EVIDENCE = pa.struct(
    [
        *((name, S) for name in ("id", "kind", "label")),
        ("box", pa.list_(F)),
        ("score", F),
        *((name, S) for name in ("expert", "target")),
    ]
)
CLAIMS = pa.list_(
    pa.struct(
        [
            *((name, S) for name in ("said", "kind")),
            *((name, I) for name in ("start", "end")),
            ("verdict", S),
            ("probability", F),
            ("evidence", pa.list_(EVIDENCE)),
        ]
    )
)
CRITIQUES = pa.list_(pa.struct([("text", S), ("verdict", S)]))
SCHEMA = pa.schema(
    [
        ("round", I),
        ("image", S),
        *((field.name, field.type) for field in PAIRS if field.name != "refused"),
        *((f"{side}_groundedness", F) for side in ("chosen", "rejected")),
        *((f"{side}_claims", CLAIMS) for side in ("chosen", "rejected")),
        *((f"{side}_critiques", CRITIQUES) for side in ("chosen", "rejected")),
    ]
)
"""PAIRS without ``refused``, which is empty of every kept pair. Boxes are x0, y0, x1, y1 as fractions of the image;
``target`` of evidence is the id of the object that an attribute describes."""


def row(pair: Preference) -> dict[str, Any]:
    """One row of :data:`SCHEMA`."""
    columns = {name: value for name, value in pair.columns.items() if name != "refused"}
    told = columns | {"round": pair.round, "image": pair.image}
    for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        told |= {f"{name}_{what}": value for what, value in _side(side).items()}
    return told


def _side(side: Side) -> dict[str, Any]:
    return {
        "groundedness": side.groundedness,
        "claims": [_claim(claim) for claim in side.claims],
        "critiques": [{"text": critique.text, "verdict": critique.verdict} for critique in side.critiques],
    }


def _claim(claim: JudgedClaim) -> dict[str, Any]:
    return {
        "said": claim.said, "kind": claim.kind, "start": claim.start, "end": claim.end, "verdict": claim.verdict,
        "probability": claim.probability, "evidence": [_evidence(one) for one in claim.evidence],
    }  # fmt: skip


def _evidence(one: Evidence) -> dict[str, Any]:
    return {
        "id": one.evidence_id, "kind": one.kind, "label": one.label, "box": list(one.box), "score": one.score,
        "expert": one.expert, "target": one.target,
    }  # fmt: skip
