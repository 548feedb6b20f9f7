"""The embedded model's template: the words and the grammar that its weights were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm import chat
from vlrm.critiques import grammar, parser
from vlrm.critiques.templates.template import Template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.chat import Messages
    from vlrm.schema import SeenObject


def ask(question: str, response: str, evidence: Sequence[SeenObject] | None) -> Messages:
    """The answer as a turn of the conversation, then the request with the evidence in a line."""
    return chat.criticise(question, response, "" if evidence is None else grammar.evidence_lines(evidence))


EMBEDDED_1 = Template("embedded-1", ask, parser.STRICT)
