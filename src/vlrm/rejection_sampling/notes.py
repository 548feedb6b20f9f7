"""What the report says of the pairs that the rounds kept, in sentences: shortcuts found, labels hallucinated more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlrm.rejection_sampling.amplification import grown, overall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

PLACES = {"sampled": "candidates", "chosen": "preferred answers"}
"""Where more hallucinations are a warning; that refused answers hold them is what they are for."""


def kept_pairs_notes(shortcuts: Sequence[Mapping[str, Any]], rates: Sequence[pa.Table]) -> list[str]:
    """``shortcuts``: of each round, as :class:`vlrm.rejection_sampling.shortcuts.Shortcuts`; ``rates``: LABEL_RATES."""
    told = [
        f"Round {number}: {warning}" for number, one in enumerate(shortcuts, start=1) for warning in one["warnings"]
    ]
    if not told and shortcuts:
        told.append("Of no round's kept pairs do words or length alone tell the better side.")
    for where, name in PLACES.items():
        shares = [share for table in rates if (share := overall(table, where)) is not None]
        if shares:
            course = ", ".join(f"{share:.1%}" for share in shares)
            told.append(f"Claims that the evidence contradicts, in {name}, round by round: {course}.")
        told += [
            f"'{one.label}' ({one.kind}) is said wrongly more often in {name}: {one.first:.0%} in the first round, "
            f"{one.last:.0%} in the last."
            for one in grown(rates, where)
        ]
    return told
