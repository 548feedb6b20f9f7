"""Node of the export: name the tables of each finished round, and hand them to the writer."""

from __future__ import annotations

from pathlib import Path

from vlrm.errors import UserError
from vlrm.pipelines.settings import image_store
from vlrm.preferences.export import Export, Exported
from vlrm.preferences.reading import RoundTables

PER_ROUND = ("pairs", "candidate_claims", "edit_claims", "evidence", "quad_evidence", "critique_targets")


def export_pairs(export: Export, experiment: str, data: str, *tables: Path) -> Exported:
    """The kept pairs with their evidence; ``tables``: those of :data:`PER_ROUND`, round 1 first."""
    if not tables:
        raise UserError(
            f"experiment '{experiment}' has no finished round to export: kedro run --pipelines iterate makes one "
            "(another experiment is named with --params experiment=NAME)."
        )
    size = len(PER_ROUND)
    rounds = []
    for number, start in enumerate(range(0, len(tables), size), start=1):
        pairs, claims, edit_claims, evidence, quad_evidence, targets = tables[start : start + size]
        rounds.append(RoundTables(number, pairs, (claims, edit_claims), (evidence, quad_evidence), targets))
    return Exported(rounds, image_store(data), export)
