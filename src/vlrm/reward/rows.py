"""From tables of pairs and critiques to the rows a reward model reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.critiques import grammar
from vlrm.reward.model import Row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CritiqueTexts = Mapping[str, Sequence[str]]
"""response id -> its on-policy critiques, verdict line removed, in the order of their samples."""


@dataclass(frozen=True)
class TrainingPair:
    """One kept pair with all that the loss needs; pairs of a quad share ``quad``."""

    image: str
    question: str
    chosen: str
    rejected: str
    chosen_id: str
    rejected_id: str
    weight: float
    margin: float
    quad: str | None


def training_pairs(pairs: pa.Table) -> list[TrainingPair]:
    return [
        TrainingPair(
            row["image_sha256"], row["question"], row["chosen"], row["rejected"], row["chosen_id"],
            row["rejected_id"], row["weight"], row["margin"], row["quad_id"],
        )
        for row in pairs.to_pylist()
    ]  # fmt: skip


def critique_texts(critiques: pa.Table) -> dict[str, list[str]]:
    """On-policy critiques (sampled without evidence, unfiltered) by response, verdict line removed."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in critiques.to_pylist():
        if not row["with_evidence"]:
            found[row["response_id"]].append((row["sample"], grammar.without_verdict(row["text"])))
    return {response: [text for _, text in sorted(rows)] for response, rows in found.items()}


def units(pairs: Sequence[TrainingPair]) -> list[list[int]]:
    """Pair numbers that must meet in one batch: the two pairs of a quad together, every other pair alone."""
    grouped: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        grouped.setdefault(pair.quad or f"alone {number}", []).append(number)
    return list(grouped.values())


def rows_of(
    pair: TrainingPair,
    critiques: CritiqueTexts,
    rng: np.random.Generator,
    with_critique: float,
    perturbed: float,
) -> tuple[Row, Row]:
    """Both sides of a pair: with chance ``with_critique`` each side carries one of its critiques.

    With chance ``perturbed`` a carried critique is made wrong - checks flipped, or the other side's - while the
    label stays: the head must learn to look, not to copy a verdict.
    """
    use = bool(rng.random() < with_critique)
    sides = (
        (pair.chosen, pair.chosen_id, pair.rejected_id),
        (pair.rejected, pair.rejected_id, pair.chosen_id),
    )
    made = []
    for text, own, other in sides:
        critique = _draw(critiques.get(own, ()), rng) if use else None
        if critique is not None and rng.random() < perturbed:
            flipped = grammar.flip_checks(critique)
            critique = flipped if rng.random() < 0.5 else _draw(critiques.get(other, ()), rng) or flipped
        made.append(Row(pair.image, pair.question, text, critique))
    return made[0], made[1]


def _draw(texts: Sequence[str], rng: np.random.Generator) -> str | None:
    return texts[int(rng.integers(len(texts)))] if texts else None
