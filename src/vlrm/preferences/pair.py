"""One kept pair with everything that speaks for it: what every format is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.schema import Evidence


@dataclass(frozen=True)
class JudgedClaim:
    """A claim in few words, where it stands in the text (characters), its verdict, and the evidence it was bound to."""

    said: str
    kind: str
    start: int
    end: int
    verdict: str
    probability: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Critique:
    """A critique that the evidence agrees with; references to evidence are removed."""

    text: str
    verdict: str


@dataclass(frozen=True)
class Side:
    """One of the two answers. ``critiques``: the accepted ones of this text about this image and question."""

    text: str
    claims: tuple[JudgedClaim, ...] = ()
    critiques: tuple[Critique, ...] = ()

    @property
    def groundedness(self) -> float:
        """Minus the expected number of false claims: 0 is best."""
        return sum(claim.probability - 1 for claim in self.claims)


@dataclass(frozen=True)
class Preference:
    """``image``: the path that the export refers to. ``columns``: the pair's row of PAIRS."""

    round: int
    image: str
    image_sha256: str
    question: str
    chosen: Side
    rejected: Side
    columns: Mapping[str, Any]
