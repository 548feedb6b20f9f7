"""Claims of a user's answers with their verdicts and the evidence behind them, and what they add up to."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.answers.bringing import ANSWER_SCORES
from vlrm.claims.table import evidence_by_image, verify_responses
from vlrm.critiques.grammar import say
from vlrm.schema import CLAIMS, EVIDENCE, S, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vlrm.claims.reliability import Reliability
    from vlrm.claims.vocabulary import Vocabulary

AT_ONCE = 512
"""Images whose answers are verified together: what is in memory of the evidence."""
ANSWER_CLAIMS = CLAIMS.append(pa.field("said", S)).append(pa.field("evidence", S))
"""CLAIMS with the claim in words and, as JSON, the evidence rows that ``evidence_ids`` names."""


def verify_answers(
    answers: pa.Table, evidence: Path, reliability: Reliability, vocabulary: Vocabulary
) -> Iterator[pa.Table]:
    """ANSWER_CLAIMS of every answer, a part at a time.

    ``answers``: the answers about one image stand together (ANSWERS). ``evidence``: a Parquet file EVIDENCE whose
    images come in the same order; an image without rows in it is one on which the experts found nothing.
    """
    seen = _by_image(evidence)
    waiting = next(seen, None)
    shas = answers["image_sha256"].to_pylist()
    starts = [0] + [i for i in range(1, len(shas)) if shas[i] != shas[i - 1]] + [len(shas)]
    for part in range(0, len(starts) - 1, AT_ONCE):
        first, last = starts[part], starts[min(part + AT_ONCE, len(starts) - 1)]
        here = set(shas[first:last])
        rows: list[dict[str, Any]] = []
        while waiting is not None and waiting[0] in here:
            rows += waiting[1]
            waiting = next(seen, None)
        table = pa.Table.from_pylist(rows, EVIDENCE)
        yield _verified(answers.slice(first, last - first), table, reliability, vocabulary)


def _by_image(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with pq.ParquetFile(path) as file:
        rows = (row for batch in file.iter_batches(4096) for row in batch.to_pylist())
        for sha, group in groupby(rows, key=lambda row: row["image_sha256"]):
            yield sha, list(group)


def _verified(answers: pa.Table, evidence: pa.Table, reliability: Reliability, vocabulary: Vocabulary) -> pa.Table:
    responses = answers.append_column("prompt_id", answers["response_id"])
    claims = verify_responses(responses, responses, evidence, reliability, vocabulary)
    known = evidence_by_image(evidence)
    rows = claims.to_pylist()
    for row in rows:
        cited = set(row["evidence_ids"])
        behind = [one for one in known.get(row["image_sha256"], []) if one.evidence_id in cited or one.target in cited]
        row["said"] = say(claim_from_json(row["claim"]))
        row["evidence"] = json.dumps([
            {"id": one.evidence_id, "kind": one.kind, "label": one.label, "score": one.score, "box": list(one.box),
             "expert": one.expert}
            for one in behind
        ])  # fmt: skip
    return pa.Table.from_pylist(rows, ANSWER_CLAIMS)


def score_answers(answers: pa.Table, claims: pa.Table) -> pa.Table:
    """ANSWER_SCORES: groundedness = - sum of (1 - p) over an answer's claims, p the chance that the claim is true."""
    told = pl.DataFrame(claims.select(["response_id", "probability", "verdict"]))
    verdicts = [(pl.col("verdict") == name).sum().alias(name) for name in ("supported", "contradicted", "unverifiable")]
    sums = told.group_by("response_id").agg(
        (pl.col("probability") - 1).sum().alias("groundedness"),
        pl.col("probability").sum().alias("true_claims"),
        pl.len().cast(pl.Int64).alias("claims"),
        *(verdict.cast(pl.Int64) for verdict in verdicts),
    )
    joined = pl.DataFrame(answers).join(sums, on="response_id", how="left", maintain_order="left")
    filled = joined.with_columns(
        pl.col("groundedness", "true_claims").fill_null(0.0),
        pl.col("claims", "supported", "contradicted", "unverifiable").fill_null(0),
    ).with_columns((pl.col("claims") > 0).alias("has_claims"))
    return filled.select(ANSWER_SCORES.names).to_arrow().cast(ANSWER_SCORES)
