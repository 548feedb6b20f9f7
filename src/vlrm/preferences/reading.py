"""Kept pairs of finished rounds joined with their claims, evidence and critiques, a part of the pairs at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.claims.table import evidence_by_image
from vlrm.critiques.grammar import say
from vlrm.preferences.pair import Critique, JudgedClaim, Preference, Side
from vlrm.rejection_sampling.claim_questions import decided
from vlrm.schema import QUESTION, claim_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from vlrm.schema import Evidence

AT_ONCE = 4096
"""Pairs in memory together. Their claims and evidence are looked up by one scan of each table."""
SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class RoundTables:
    """The files of one finished round; tables of one kind stand together."""

    number: int
    pairs: Path
    claims: tuple[Path, ...]
    evidence: tuple[Path, ...]
    critique_targets: Path


def preferences(
    rounds: Iterable[RoundTables], image: Callable[[str], str], min_weight: float = 0.0, at_once: int = AT_ONCE
) -> Iterator[list[Preference]]:
    """Parts of at most ``at_once`` pairs, round by round, in the order of each round's table.

    Args:
        rounds: the rounds to read.
        image: how the export refers to the image with a hash.
        min_weight: pairs of a smaller training weight are left out.
    """
    for tables in rounds:
        with pq.ParquetFile(tables.pairs) as file:
            for batch in file.iter_batches(at_once):
                rows = [row for row in batch.to_pylist() if row["weight"] >= min_weight]
                if rows:
                    yield _joined(rows, tables, image)


def _joined(rows: Sequence[dict[str, Any]], tables: RoundTables, image: Callable[[str], str]) -> list[Preference]:
    shas = {row["image_sha256"] for row in rows}
    evidence = evidence_by_image(_where(tables.evidence, "image_sha256", shas))
    claims = _claims(tables.claims, {row[f"{side}_id"] for row in rows for side in SIDES}, evidence)
    critiques = _critiques(tables.critique_targets, shas)

    def side(row: Mapping[str, Any], which: str) -> Side:
        about = (row["image_sha256"], row["question"], row[which])
        if row["source"] == QUESTION:
            return Side(row[which], (_answered(row, which, evidence.get(row["image_sha256"], ())),))
        return Side(row[which], tuple(claims[row[f"{which}_id"]]), tuple(critiques[about]))

    return [
        Preference(
            tables.number, image(row["image_sha256"]), row["image_sha256"], row["question"],
            side(row, "chosen"), side(row, "rejected"), row,
        )
        for row in rows
    ]  # fmt: skip


def _answered(row: Mapping[str, Any], which: str, seen: Sequence[Evidence]) -> JudgedClaim:
    """An answer to a claim question is one claim, which the evidence about objects of that noun decides."""
    asked = {
        one.evidence_id
        for one in seen
        if one.kind == "object" and re.search(rf"\b{re.escape(one.label)}\b", row["question"])
    }
    behind = tuple(one for one in seen if one.evidence_id in asked or one.target in asked)
    return JudgedClaim(row[which], row["kind"], 0, len(row[which]), *decided(row, which), behind)


def _where(paths: Sequence[Path], column: str, values: Iterable[str]) -> pa.Table:
    """The rows whose ``column`` is one of ``values``, each distinct row of several files once."""
    import pyarrow.dataset as ds

    wanted = ds.field(column).isin(pa.array(sorted(values), pa.string()))
    found = [ds.dataset(path).scanner(filter=wanted, batch_size=16_384).to_table() for path in paths]
    seen: set[str] = set()
    kept = []
    for table in found:
        # A quad's image may be one of the round's own: both files then tell the same of it.
        here = [value not in seen for value in table[column].to_pylist()]
        kept.append(table.filter(pa.array(here, pa.bool_())))
        seen.update(table[column].to_pylist())
    return pa.concat_tables(kept)


def _claims(
    paths: Sequence[Path], responses: Iterable[str], evidence: Mapping[str, Sequence[Evidence]]
) -> defaultdict[str, list[JudgedClaim]]:
    found: defaultdict[str, list[tuple[int, JudgedClaim]]] = defaultdict(list)
    for row in _where(paths, "response_id", responses).to_pylist():
        cited = set(row["evidence_ids"] or ())
        behind = tuple(
            one for one in evidence.get(row["image_sha256"], ()) if one.evidence_id in cited or one.target in cited
        )
        said = say(claim_from_json(row["claim"]))
        claim = JudgedClaim(
            said, row["kind"], row["start"], row["end"], row["verdict"], row["probability"], behind
        )  # fmt: skip
        found[row["response_id"]].append((row["claim_index"], claim))
    ordered = {name: [claim for _, claim in sorted(rows, key=lambda row: row[0])] for name, rows in found.items()}
    return defaultdict(list, ordered)


def _critiques(path: Path, shas: Iterable[str]) -> defaultdict[tuple[str, str, str], list[Critique]]:
    """By image, question and text: a response that two prompts share was criticised once."""
    found: defaultdict[tuple[str, str, str], list[Critique]] = defaultdict(list)
    for row in _where([path], "image_sha256", shas).to_pylist():
        about = (row["image_sha256"], row["question"], row["response"])
        found[about].append(Critique(row["critique"], row["verdict"]))
    return found
