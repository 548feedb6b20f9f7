"""The template for a language model of some hundred million parameters that reads what experts see (SmolLM2).

Given the evidence it only decides the checks (:mod:`vlrm.critiques.filling`): left to itself such a model keeps to no
form. Without the evidence it writes freely, as far as the accepted critiques have taught it the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm import chat
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.critiques import grammar, parser
from vlrm.critiques.templates.instruct import quote
from vlrm.critiques.templates.template import Template
from vlrm.schema import clear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.chat import Messages
    from vlrm.schema import SeenObject

SEEN = 0.2
"""Score from which on an object is quoted."""
MOST = 5
"""Objects quoted, the surest first, and statements checked: a critique has 60 tokens."""
_TASK = "Check each statement of the answer against the picture."
_EXAMPLE = "For example: See: [1] dog; [2] bench. Check: dog: yes; sofa: no. Verdict: wrong."


def ask(question: str, response: str, evidence: Sequence[SeenObject] | None) -> Messages:
    """One user turn; an example stands before the evidence, where it is given. All that is quoted is data."""
    asked = f"Question: {quote(question)}\nAnswer: {quote(response)}\n"
    if evidence is None:
        return chat.ask(f"{_TASK}\n{asked}")
    return chat.ask(f"{_TASK} {_EXAMPLE}\nEvidence: {grammar.evidence_lines(evidence)}\n{asked}")


def statements(question: str, response: str) -> tuple[str, ...]:
    """What a critique of the answer has to check, in the grammar's words."""
    claims = extract_claims(response, question, PHOTOS)
    return tuple(said for said, _ in grammar.statements([(claim, True) for claim in claims]))[:MOST]


def quoted(objects: Sequence[SeenObject]) -> list[SeenObject]:
    """The objects worth quoting."""
    return [thing for thing in clear(objects) if thing.score >= SEEN][:MOST]


SMALL_1 = Template("small-1", ask, parser.STRICT, quoted, statements)
