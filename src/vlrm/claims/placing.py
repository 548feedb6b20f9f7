"""Where things are said to be and what is said to be printed on them: the reader's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, Entity
from vlrm.claims.phrases import NounPhrase, read_phrase

if TYPE_CHECKING:
    from vlrm.claims.lexer import Lexeme
    from vlrm.claims.questions import Asked


class Placing:
    """What a reading knows so far, with the handling of relations and of printed labels."""

    def __init__(self, text: str, asked: Asked, entities: list[Entity]) -> None:
        self.text, self.asked = text, asked
        self.entities = list(entities)
        self.topic: Entity | None = entities[0] if entities else None
        self.drafts: list[Draft] = []
        self.group: list[Entity] = []
        self._new_sentence()

    def _new_sentence(self) -> None:
        self.negation = ""
        self.hedged = False
        self.subjects: list[Entity] = []
        """Of whom the clause speaks, known once its verb is reached."""
        self.last: Entity | None = None
        self.relation: tuple[Lexeme, Entity | None] | None = None
        self.inverted: tuple[Lexeme, Entity] | None = None
        self.printed: Lexeme | None = None
        self.pronoun = False
        self.verb = False
        self.began = True
        self.counting: Draft | None = None
        self.joined = False

    def _sentence_break(self, start: int, end: int) -> bool:
        return any(mark in self.text[start:end] for mark in ".!?\n")

    # Where it is

    def _place(self, lexemes: list[Lexeme], place: int, lexeme: Lexeme) -> None:
        following = lexemes[place + 1].kind if place + 1 < len(lexemes) else "STOP"
        if lexeme.kind == "SIDEOF" and self.last is not None:
            return
        subject = self.subjects[0] if self.verb and self.subjects else self.last
        if lexeme.kind == "SIDE" or following in ("STOP", "COMMA", "BUT"):
            if lexeme.kind == "SIDE" and following in ("NOUN", "THING"):
                return
            self._answer_place(lexeme, subject)
            return
        self.relation = (lexeme, subject)

    def _answer_place(self, lexeme: Lexeme, subject: Entity | None) -> None:
        """ "To the left." says where the first object of the question is, as seen from the second."""
        asked = [entity for entity in self.entities if entity.asked]
        if self.asked.kind != "relation" or len(asked) < 2 or (subject is not None and subject is not asked[0]):
            return
        if lexeme.kind == "REL" and lexeme.value in ("left of", "right of"):
            return
        self._add(
            "relation", asked[0], lexeme.start, lexeme.end, (lexeme.start, lexeme.end),
            relation=lexeme.value, other=asked[1], polarity=not self.negation, implied=True,
        )  # fmt: skip

    def _relate(self, entity: Entity, said: NounPhrase) -> None:
        self._relate_to(entity, said.end)
        self.last = entity

    def _relate_to(self, other: Entity, end: int) -> None:
        if self.relation is None:
            return
        lexeme, subject = self.relation
        self.relation = None
        if subject is None:
            asked = [entity for entity in self.entities if entity.asked]
            if self.asked.kind != "relation" or not asked or asked[0] is other:
                self.inverted = (lexeme, other)
                return
            subject = asked[0]
        if subject is other:
            return
        if subject.denied:
            self.drafts = [d for d in self.drafts if not (d.kind == "existence" and d.subject is subject)]
        denied = bool(self.negation) or subject.denied
        begin = subject.span[0] if subject.span[1] <= lexeme.start and subject.span[1] > 0 else lexeme.start
        begin = lexeme.start if self._sentence_break(begin, lexeme.start) else begin
        self._add(
            "relation", subject, begin, end, (lexeme.start, lexeme.end),
            relation=lexeme.value, other=other, polarity=not denied,
        )  # fmt: skip

    # What is printed on it

    def _label(self, lexemes: list[Lexeme], place: int, lexeme: Lexeme) -> None:
        ahead = place + 1
        while ahead < len(lexemes) and lexemes[ahead].kind in ("COP", "TEXTWORD", "SEE", "WORD"):
            ahead += 1
        if ahead + 1 < len(lexemes) and lexemes[ahead].kind in ("ON", "OF"):
            if read_phrase(lexemes, ahead + 1) is not None:
                self.printed = lexeme
                return
        subject = self.subjects[0] if self.verb and self.subjects else self.last
        self._say(lexeme, subject)

    def _say(self, lexeme: Lexeme, subject: Entity | None) -> None:
        if subject is None and self.topic is not None and self.topic.asked and self.asked.kind == "text":
            subject = self.topic
        if subject is None:
            subject = Entity(None)
        span = (lexeme.start, lexeme.end)
        begin, end = subject.span if subject.span != (0, 0) else span
        if self._sentence_break(min(begin, span[0]), max(end, span[0])):
            begin, end = span
        self._add(
            "text", subject, min(begin, span[0]), max(end, span[1]), span,
            value=lexeme.value.strip().upper(), polarity=not self.negation,
        )  # fmt: skip

    def _add(self, kind: str, subject: Entity, start: int, end: int, span: tuple[int, int], **content: object) -> Draft:
        content.setdefault("polarity", True)
        draft = Draft(kind, subject, start, end, span, hedged=self.hedged, **content)  # type: ignore[arg-type]
        self.drafts.append(draft)
        return draft
