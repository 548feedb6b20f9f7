"""The guard against negative amplification: how often each label is said of images that do not show it, by round.

What a rejected answer hallucinates goes nowhere else: evidence comes from experts alone, the values of counterfactuals
from the vocabulary and from evidence, prompts from files or scenes. What is left to watch is whether the answers on
offer, and above all those that are *preferred*, hold more of it from round to round.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from vlrm.schema import I, S, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Claim

LABEL_RATES = pa.schema(
    [("where", S), ("kind", S), ("label", S), ("said", I), ("false", I), ("images", I), ("images_false", I)]
)
"""``where``: sampled (every candidate), chosen or rejected (sides of kept pairs, each answer once). ``said``: claims of
that label, ``false``: those that the evidence contradicts; ``images``: how many images these are about, and
``images_false``: of how many it was said although the evidence contradicts it."""
SURE = 0.05
"""Family-wise error of calling a label's rate grown (Holm over labels)."""


class Growth(BaseModel):
    """A label whose hallucination rate is higher in the last round than in the first, surely so."""

    model_config = ConfigDict(extra="forbid")

    where: str
    kind: str
    label: str
    first: float
    last: float
    p_value: float


def label_rates(claims: pa.Table, sampled: set[str], kept: pa.Table) -> pa.Table:
    """LABEL_RATES of one round. ``claims``: CLAIMS of candidates and edits; ``sampled``: ids of the candidates."""
    sides = {side: set(kept[f"{side}_id"].to_pylist()) for side in ("chosen", "rejected")} | {"sampled": sampled}
    found: defaultdict[tuple[str, str, str], list[tuple[str, bool]]] = defaultdict(list)
    for row in claims.select(["response_id", "image_sha256", "claim", "verdict"]).to_pylist():
        places = [place for place, ids in sides.items() if row["response_id"] in ids]
        claim = claim_from_json(row["claim"]) if places else None
        label = label_of(claim) if claim else None
        if claim and label:
            for place in places:
                found[place, claim.kind, label].append((row["image_sha256"], row["verdict"] == "contradicted"))
    rows = [
        {
            "where": place, "kind": kind, "label": label,
            "said": len(said), "false": sum(false for _, false in said),
            "images": len({image for image, _ in said}),
            "images_false": len({image for image, false in said if false}),
        }
        for (place, kind, label), said in sorted(found.items())
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, LABEL_RATES)


def label_of(claim: Claim) -> str | None:
    """What a claim puts into the image: an object, a value, a relation; None when it denies something."""
    if not claim.polarity:
        return None
    if claim.kind in ("attribute", "text"):
        return claim.value
    return claim.relation if claim.kind == "relation" else claim.subject.noun


def overall(rates: pa.Table, where: str) -> float | None:
    """Share of all claims there that the evidence contradicts; None where nothing is said."""
    frame = pl.DataFrame(rates).filter(pl.col("where") == where)
    said = int(frame["said"].sum())
    return int(frame["false"].sum()) / said if said else None


def grown(rounds: Sequence[pa.Table], where: str, sure: float = SURE) -> list[Growth]:
    """Labels of one place whose rate is higher in the last round than in the first.

    Fisher's exact test on images (the answers about one image are not independent), one-sided, with Holm's correction
    over the labels that were said in both rounds.
    """
    if len(rounds) < 2:
        return []
    first, last = (pl.DataFrame(table).filter(pl.col("where") == where) for table in (rounds[0], rounds[-1]))
    both = list(first.join(last, on=["kind", "label"], suffix="_last").iter_rows(named=True))
    found = sorted(((_chance(row), row["kind"], row["label"], row) for row in both), key=lambda item: item[:3])
    told = []
    for place, (p_value, kind, label, row) in enumerate(found):
        if p_value * (len(found) - place) > sure:
            break
        rates = (row["false"] / row["said"], row["false_last"] / row["said_last"])
        told.append(Growth(where=where, kind=kind, label=label, first=rates[0], last=rates[1], p_value=p_value))
    return told


def _chance(row: dict[str, int]) -> float:
    """That a rate which has not grown looks as if it had."""
    from scipy.stats import fisher_exact

    last = [row["images_false_last"], row["images_last"] - row["images_false_last"]]
    first = [row["images_false"], row["images"] - row["images_false"]]
    return float(fisher_exact([last, first], alternative="greater").pvalue)


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """LABEL_RATES of several seeds (or rounds) together."""
    frame = pl.concat([pl.DataFrame(table) for table in tables]).group_by("where", "kind", "label").sum()
    return frame.sort("where", "kind", "label").select(LABEL_RATES.names).to_arrow().cast(LABEL_RATES)
