"""Finds one response with its claims and the evidence about its image, in tables of any length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """A response's row, its question (empty when unknown), its rows of CLAIMS, and its image's evidence."""

    response: dict[str, Any]
    question: str
    claims: list[dict[str, Any]]
    evidence: list[Evidence]


def find_response(response_id: str, tables: Sequence[Path]) -> Found:
    """Look through Parquet files of responses, claims, evidence and prompts; their columns tell which is which.

    The first table that holds the response counts: name the newest round first.

    Raises:
        UserError: no table holds it.
    """
    names = {path: set(pq.read_schema(path).names) for path in tables}
    responses = [path for path in tables if {"response_id", "text"} <= names[path]]
    claims = [path for path in tables if {"response_id", "claim", "verdict"} <= names[path]]
    evidence = [path for path in tables if "evidence_id" in names[path]]
    prompts = [path for path in tables if {"prompt_id", "question"} <= names[path] and path not in responses]
    row = next((rows[0] for path in responses if (rows := _where(path, "response_id", response_id))), None)
    if row is None:
        some = [str(one) for path in responses for one in _first_ids(path)][:_SHOWN]
        known = f"there are {', '.join(some)} ..." if some else _NOTHING
        raise UserError(f"No table of verified responses holds the response {response_id!r}: {known}")
    question = row.get("question")
    if question is None:
        asked = (found for path in prompts for found in _where(path, "prompt_id", row["prompt_id"]))
        question = next((found["question"] for found in asked), "")
    about = next((rows for path in claims if (rows := _where(path, "response_id", response_id))), [])
    seen = next((rows for path in evidence if (rows := _where(path, "image_sha256", row["image_sha256"]))), [])
    return Found(row, question, sorted(about, key=lambda one: one["claim_index"]), [_evidence(one) for one in seen])


_NOTHING = (
    "none has been written yet, so run kedro run --pipelines expert_annotation --params images=FOLDER,responses=FILE, "
    "or kedro run --pipelines iterate."
)


def _where(path: Path, column: str, value: str) -> list[dict[str, Any]]:
    return pq.read_table(path, filters=[(column, "=", value)]).to_pylist()


def _first_ids(path: Path) -> list[str]:
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(_SHOWN, columns=["response_id"]), None)
    return batch["response_id"].to_pylist() if batch is not None else []


def _evidence(row: dict[str, Any]) -> Evidence:
    x0, y0, x1, y1 = row["box"]
    return Evidence(**{name: row[name] for name in row if name not in ("image_sha256", "box")}, box=(x0, y0, x1, y1))
