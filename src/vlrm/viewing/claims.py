"""A response with its claims coloured by their verdict, as HTML that reads on light and on dark pages."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from vlrm.critiques.grammar import say
from vlrm.schema import claim_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORST_FIRST = ("contradicted", "unverifiable", "supported")
_LOOK = {
    "supported": "background:#2a9d6a33;border-bottom:2px solid #2a9d6a",
    "contradicted": "background:#d6453a33;border-bottom:2px solid #d6453a",
    "unverifiable": "background:#9aa0a633;border-bottom:2px dotted #9aa0a6",
}


def coloured(text: str, claims: Sequence[Mapping[str, Any]]) -> str:
    """``text`` with the words that carry each claim marked; ``claims``: this response's rows of CLAIMS.

    Where two claims share words the worse verdict shows; the words' tooltip tells them all.
    """
    marks: list[list[tuple[str, str]]] = [[] for _ in text]
    for row in claims:
        claim = claim_from_json(row["claim"])
        told = f"{say(claim)}: {row['verdict']}, p = {row['probability']:.2f}"
        for place in range(*claim.span_value):
            marks[place].append((row["verdict"], told))
    parts = []
    for found, places in groupby(range(len(text)), key=marks.__getitem__):
        words = escape("".join(text[place] for place in places))
        parts.append(_marked(words, found) if found else words)
    return "".join(parts)


def coloured_whole(text: str, verdict: str, probability: float) -> str:
    """``text`` marked as the one claim that it is, such as the answer to a question about a single claim."""
    return _marked(escape(text), [(verdict, f"{verdict}, p = {probability:.2f}")])


def _marked(words: str, found: Sequence[tuple[str, str]]) -> str:
    verdict = min((verdict for verdict, _ in found), key=WORST_FIRST.index)
    title = escape("\n".join(dict.fromkeys(told for _, told in found)))
    return f'<span style="{_LOOK[verdict]}" title="{title}">{words}</span>'


def key() -> str:
    """What the colours mean."""
    return " ".join(f'<span style="{_LOOK[verdict]}">{verdict}</span>' for verdict in reversed(WORST_FIRST))
