"""Brings a user's answers in: checks every row, stores its image by content, sets bad rows aside."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.errors import UserError
from vlrm.images import StoreError, relative_path
from vlrm.progress import track
from vlrm.schema import QUARANTINE, B, F, I, S
from vlrm.user_files import image_folder, inside, store_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.user_files import Row

LONGEST = 20_000
"""Characters of an answer; claims are read from text, and a longer one is a document."""
ANSWERS = pa.schema([(name, S) for name in ("response_id", "image", "image_sha256", "question", "text")])
"""``image``: path under the image store; answers about one image stand together. ``question``: empty when unknown."""
ANSWER_SCORES = pa.schema(
    [
        *((name, S) for name in ("response_id", "image", "image_sha256", "question", "text")),
        *((name, F) for name in ("groundedness", "true_claims")),
        *((name, I) for name in ("claims", "supported", "contradicted", "unverifiable")),
        ("has_claims", B),
    ]
)
"""``groundedness``: minus the expected number of false claims, so 0 is best; ``true_claims``: the expected number of
true ones; then how many claims were found and their verdicts. An answer without claims says nothing that is checked:
``has_claims`` tells its 0 from that of an answer without falsehoods."""


def bring_answers(rows: Sequence[Row], images: str | Path, root: str | Path, source: str) -> tuple[pa.Table, pa.Table]:
    """Check and store every row's image: ``(good, quarantine)`` as tables ANSWERS and QUARANTINE.

    Args:
        rows: from :func:`vlrm.user_files.read_responses`.
        images: the folder image paths are relative to; no path may leave it.
        root: the content-addressed image store.
        source: name of the file the rows come from, as the quarantine reports it.

    Raises:
        UserError: the folder does not exist, the store cannot be written, or not a single row is usable.
    """
    folder = image_folder(images)
    stored: dict[Path, str | UserError] = {}
    by_image: dict[str, list[dict[str, str]]] = {}
    bad: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for row in track(rows, "row", len(rows)):
        try:
            if row.problem is not None:
                raise UserError(row.problem)
            path, question, text = inside(row.image, folder), _question(row.question), _text(row.response)
            sha = store_once(path, root, stored)
            response_id = _response_id(row, sha, question, text, first)
        except StoreError:
            raise
        except UserError as error:
            item = None if row.image is None else str(row.image)[:80]
            bad.append({"source": source, "row": row.number, "item": item, "reason": str(error)})
            continue
        by_image.setdefault(sha, []).append({
            "response_id": response_id, "image": relative_path(sha, root), "image_sha256": sha, "question": question,
            "text": text,
        })  # fmt: skip
    if not by_image:
        why = f"; row {bad[0]['row']}: {bad[0]['reason']}" if bad else "."
        raise UserError(f"None of the {len(bad)} rows of {source} can be used{why}")
    good = [row for group in by_image.values() for row in group]
    return pa.Table.from_pylist(good, ANSWERS), pa.Table.from_pylist(bad, QUARANTINE)


def _text(response: Any) -> str:
    if not isinstance(response, str) or not response.strip():
        raise UserError("The column response is empty or no text: write the answer that is to be checked.")
    if len(response) > LONGEST:
        raise UserError(f"The response has {len(response)} characters, more than {LONGEST}: shorten it.")
    return response.strip()


def _question(question: Any) -> str:
    if question is None:
        return ""
    if not isinstance(question, str):
        raise UserError("The column question is no text: write what was asked about the image, or leave it out.")
    return question.strip()


def _response_id(row: Row, sha: str, question: str, text: str, first: dict[str, int]) -> str:
    given = None if row.id is None else str(row.id)
    response_id = given or hashlib.sha256("\0".join((sha, question, text)).encode()).hexdigest()[:16]
    if response_id in first:
        what = f"The id {response_id[:80]!r} stands" if given else "The same answer about the same image stands"
        raise UserError(f"{what} in row {first[response_id]} already: keep one of the two.")
    first[response_id] = row.number
    return response_id
