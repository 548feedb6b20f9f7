"""Responses judged by exact truth: who of a pair is better, in which kinds of claim, in which part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import bind, holds
from vlrm.scenes.world import UNSEEN, USUAL, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from vlrm.schema import Claim, SeenObject

TRUTH = {
    "response_id": pl.String,
    "prompt_id": pl.String,
    "image_sha256": pl.String,
    "sample": pl.Int64,
    "false_claims": pl.Int64,
    "true_claims": pl.Int64,
}
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Judged:
    """A response with its claims and whether each holds in the scene it is said of."""

    text: str
    claims: tuple[Claim, ...]
    true: tuple[bool, ...]

    @property
    def false_count(self) -> int:
        """Distinct false claims: saying one falsehood twice is one."""
        return len({c.key() for c, t in zip(self.claims, self.true, strict=True) if not t})

    @property
    def true_count(self) -> int:
        return len({c.key() for c, t in zip(self.claims, self.true, strict=True) if t})

    @property
    def words(self) -> int:
        return len(WORD.findall(self.text))


def judge(text: str, question: str, objects: Sequence[SeenObject]) -> Judged:
    """Extract the claims of a response and check each against ``objects`` (exact truth)."""
    claims = tuple(extract_claims(text, question))
    return Judged(text, claims, tuple(holds(claim, list(objects)) for claim in claims))


def length_ratio(chosen: Judged, rejected: Judged) -> float:
    return chosen.words / max(1, rejected.words)


def differing(one: Judged, other: Judged) -> list[tuple[Claim, bool]]:
    """Claims (and their truth) of ``one`` that ``other`` does not make."""
    shared = {claim.key() for claim in other.claims}
    return [(c, t) for c, t in zip(one.claims, one.true, strict=True) if c.key() not in shared]


def differing_kinds(chosen: Judged, rejected: Judged) -> list[str]:
    return sorted({claim.kind for claim, _ in differing(chosen, rejected) + differing(rejected, chosen)})


def pair_kind(chosen: Judged, rejected: Judged) -> str:
    """Kind of the falsehoods that make ``rejected`` worse; mixed when they are of several kinds."""
    kinds = {claim.kind for claim, true in differing(rejected, chosen) if not true}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def pair_part(chosen: Judged, rejected: Judged, scene: Scene, prompt_part: str) -> str:
    """Which part of the exam a pair belongs to.

    ``unseen_combination`` when the prompt is of that part and the scene holds such a combination. Else by the
    false colour claims about shapes with a usual colour that only ``rejected`` makes: ``prior_breaking`` when
    one says the usual colour where the pixels do not, ``prior_conforming`` when the pixels are usual. Else
    ``iid``.
    """
    if prompt_part == "unseen_combination" and any((o.shape, o.colour) in UNSEEN for o in scene.objects):
        return prompt_part
    found = {_prior(claim, scene) for claim, true in differing(rejected, chosen) if not true}
    return next((part for part in ("prior_breaking", "prior_conforming") if part in found), "iid")


def _prior(claim: Claim, scene: Scene) -> str | None:
    usual = USUAL.get(claim.subject.noun or "")
    if usual is None or claim.attribute != "colour":
        return None
    seen = bind(claim.subject, scene.seen())
    if seen is None:
        return None
    actual = seen.attributes["colour"][0]
    if actual == usual:
        return "prior_conforming"
    return "prior_breaking" if claim.value == usual else None


def truth_counts(prompts: pa.Table, scenes: Mapping[str, Scene], responses: pa.Table) -> pl.DataFrame:
    """False and true claims of every response whose scene is known: what best-of-N needs beside the rewards.

    Columns response_id, prompt_id, image_sha256, sample, false_claims, true_claims.
    """
    ids, said = prompts["prompt_id"].to_pylist(), prompts["question"].to_pylist()
    questions = dict(zip(ids, said, strict=True))
    rows = []
    for row in responses.select(["response_id", "prompt_id", "image_sha256", "sample", "text"]).to_pylist():
        text, scene = row.pop("text"), scenes.get(row["image_sha256"])
        if scene is not None:
            judged = judge(text, questions[row["prompt_id"]], scene.seen())
            rows.append(row | {"false_claims": judged.false_count, "true_claims": judged.true_count})
    return pl.DataFrame(rows, schema=TRUTH)


def evidence_counts(responses: pa.Table, claims: pa.Table) -> pl.DataFrame:
    """As :func:`truth_counts` where no truth is known: claims that the evidence contradicts, and that it supports."""
    verdicts = pl.DataFrame(claims.select(["response_id", "verdict"])).group_by("response_id").agg(
        (pl.col("verdict") == "contradicted").sum().cast(pl.Int64).alias("false_claims"),
        (pl.col("verdict") == "supported").sum().cast(pl.Int64).alias("true_claims"),
    )  # fmt: skip
    said = pl.DataFrame(responses.select(["response_id", "prompt_id", "image_sha256", "sample"]))
    joined = said.join(verdicts, on="response_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("false_claims", "true_claims").fill_null(0)).select(list(TRUTH))
