"""Claims of whole response tables: extracted, verified against each image's evidence, and written as rows."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.claims.extract import extract_claims
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.errors import UserError
from vlrm.schema import CLAIMS, Claim, Evidence, SeenObject, claim_to_json, seen_objects

if TYPE_CHECKING:
    from vlrm.claims.reliability import Reliability, Verification


def evidence_by_image(table: pa.Table) -> dict[str, list[Evidence]]:
    """The rows of an EVIDENCE table as :class:`Evidence`, by image hash."""
    found: defaultdict[str, list[Evidence]] = defaultdict(list)
    for row in table.to_pylist():
        sha = row.pop("image_sha256")
        box = tuple(row.pop("box"))
        found[sha].append(Evidence(box=box, **row))
    return dict(found)


def objects_by_image(table: pa.Table) -> dict[str, list[SeenObject]]:
    """The objects an EVIDENCE table reports, by image hash; an image on which nothing was found is not in it."""
    return {sha: seen_objects(rows) for sha, rows in evidence_by_image(table).items()}


def verify_responses(
    responses: pa.Table,
    prompts: pa.Table,
    evidence: pa.Table,
    reliability: Reliability,
    vocabulary: Vocabulary = EMBEDDED,
) -> pa.Table:
    """One CLAIMS row for every claim of every response.

    An image without evidence rows is one on which the experts found nothing, which is evidence too.
    """
    questions = dict(zip(prompts.column("prompt_id").to_pylist(), prompts.column("question").to_pylist(), strict=True))
    objects = objects_by_image(evidence)
    known: dict[tuple[str, Any], Verification] = {}
    rows: list[dict[str, Any]] = []
    columns = [responses.column(name).to_pylist() for name in ("response_id", "prompt_id", "image_sha256", "text")]
    for response_id, prompt_id, sha, text in zip(*columns, strict=True):
        if prompt_id not in questions:
            raise UserError(
                f"Response {response_id} belongs to prompt {prompt_id}, which the prompts table "
                "lacks: pass the prompts it was sampled for."
            )
        for index, claim in enumerate(extract_claims(text, questions[prompt_id] or "", vocabulary)):
            key = (sha, claim.key())
            if key not in known:
                known[key] = reliability.verify(claim, objects.get(sha, []))
            rows.append(claim_row(response_id, index, sha, claim, known[key]))
    return pa.Table.from_pylist(rows, schema=CLAIMS)


def claim_row(response_id: str, index: int, sha: str, claim: Claim, verification: Verification) -> dict[str, Any]:
    """A row of CLAIMS."""
    return {
        "response_id": response_id,
        "claim_index": index,
        "image_sha256": sha,
        "kind": claim.kind,
        "claim": claim_to_json(claim),
        "start": claim.start,
        "end": claim.end,
        "probability": verification.probability,
        "verdict": verification.verdict,
        "evidence_ids": verification.evidence_ids,
        "families": json.dumps(verification.families, sort_keys=True),
    }
