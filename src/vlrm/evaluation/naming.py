"""What figures are called: those of an exam that evidence judged carry names that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from vlrm.schema import USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

T = TypeVar("T")
PREFIX = "evidence_"


def judged_by_evidence(exam: pl.DataFrame) -> bool:
    """Whether the order of an exam's pairs is what evidence says, not what is true."""
    return bool((exam["part"] == USER).any())


def evidence_name(name: str) -> str:
    """``quad_accuracy`` -> ``evidence_quad_accuracy``: agreement with the experts, who may err."""
    return PREFIX + name.replace("hallucination", "pair")


def named(figures: Mapping[str, T], exam: pl.DataFrame) -> dict[str, T]:
    """The figures of an exam under names that say what it was judged by."""
    return {evidence_name(name) if judged_by_evidence(exam) else name: value for name, value in figures.items()}
