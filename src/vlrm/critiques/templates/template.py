"""What a template is: the conversation that asks for a critique, and the form in which its answer is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.critiques import parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.chat import Messages
    from vlrm.schema import SeenObject

    Ask = Callable[[str, str, Sequence[SeenObject] | None], Messages]
    Quoted = Callable[[Sequence[SeenObject]], Sequence[SeenObject]]
    Statements = Callable[[str, str], tuple[str, ...]]


def everything(objects: Sequence[SeenObject]) -> Sequence[SeenObject]:
    return objects


@dataclass(frozen=True)
class Template:
    """``ask(question, response, evidence)``: one image's conversation; evidence None asks for a critique without.

    ``quoted``: which of the objects found (the surest first) are quoted, the first of them. ``statements(question,
    response)``: given where a critique with evidence is a form that the critic fills in
    (:mod:`vlrm.critiques.filling`): what it has to check.
    """

    name: str
    ask: Ask
    form: parser.Form
    quoted: Quoted = everything
    statements: Statements | None = None

    def read(self, text: str, evidence_count: int | None = None) -> parser.Critique | parser.Refusal:
        """Parse what the critic wrote; ``evidence_count`` as in :func:`vlrm.critiques.parser.parse`."""
        return parser.parse(text, evidence_count, self.form)

    def tidy(self, text: str, evidence_count: int | None = None) -> str:
        """The text as it is kept: in the grammar's one form where its layout was forgiven, else as it was written."""
        found = self.read(text, evidence_count) if self.form.lenient else None
        return parser.write(found) if isinstance(found, parser.Critique) else text
