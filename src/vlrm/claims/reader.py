"""Reads statements left to right: what is mentioned, denied, hedged, described, placed and labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, Entity
from vlrm.claims.phrases import NounPhrase, read_phrase, split_attribute
from vlrm.claims.placing import Placing

if TYPE_CHECKING:
    from vlrm.claims.lexer import Lexeme

_RESTART = frozenset({"THERE", "PRON", "SEE"})


class Reader(Placing):
    """State of one reading; :meth:`read` is called once."""

    def read(self, lexemes: list[Lexeme]) -> list[Draft]:
        place = 0
        while place < len(lexemes):
            lexeme = lexemes[place]
            found = read_phrase(lexemes, place)
            if found is not None:
                self._maybe_restart(lexemes, place, found[1])
                self._mention(found[0])
                place = found[1]
                self.began = self.joined = False
                continue
            self._word(lexemes, place, lexeme)
            if lexeme.kind not in ("STOP", "COMMA"):
                self.began = False
            self.joined = lexeme.kind in ("AND", "COMMA", "OR")
            place += 1
        self._end_sentence()
        return self.drafts

    def _maybe_restart(self, lexemes: list[Lexeme], place: int, after: int) -> None:
        """ "..., and the ball is blue" starts a clause of its own, which the negation before does not
        reach."""
        follows = lexemes[after].kind if after < len(lexemes) else "STOP"
        if self.joined and follows == "COP" and self.relation is None:
            self._new_clause()
        elif self.joined and self.negation == "no" and lexemes[place - 1].kind != "OR":
            # "no star and two balls", "no star, a ball": a new determiner ends what "no" reaches.
            if lexemes[place].kind in ("DET", "NUM") and lexemes[place].value != "any":
                self.negation = ""

    def _new_clause(self) -> None:
        self.negation, self.verb, self.pronoun, self.subjects = "", False, False, []
        self.counting = None

    def _word(  # noqa: PLR0912 - one branch for each lexical class
        self, lexemes: list[Lexeme], place: int, lexeme: Lexeme
    ) -> None:
        kind = lexeme.kind
        if kind == "STOP":
            self._end_sentence()
            self._new_sentence()
        elif kind == "BUT":
            self.negation = ""
        elif kind == "NEG":
            self.negation = lexeme.value
        elif kind == "WORD" and lexeme.value in ("other", "further", "else", "additional", "more"):
            # "no other ball" denies none of those spoken of.
            self.negation = ""
        elif kind == "HEDGE":
            self.hedged = True
        elif kind == "COP":
            self._copula(lexeme)
        elif kind == "ATTR":
            self._stray(lexemes, place, lexeme)
        elif kind == "NUM":
            self._bare_number(lexeme)
        elif kind in ("REL", "SIDE", "SIDEOF"):
            self._place(lexemes, place, lexeme)
        elif kind == "SCENE":
            self.relation = None
        elif kind == "VALUE":
            self._label(lexemes, place, lexeme)
        elif kind in _RESTART:
            if self.joined:
                self._new_clause()
            if kind == "PRON":
                self._pronoun(lexeme)
            elif self.pronoun:
                # "It looks like there is": this "it" means nothing.
                self.pronoun, self.verb, self.subjects, self.last = False, False, [], None
        elif kind == "WHICH" and self.last is not None:
            self.subjects, self.verb = [self.last], True

    def _end_sentence(self) -> None:
        if self.relation is not None:
            self._answer_place(*self.relation)
            self.relation = None
        if self.printed is not None:
            self._say(self.printed, self.last)
            self.printed = None

    # What is mentioned

    def _mention(self, said: NounPhrase) -> None:
        attributes = dict(said.phrase().attributes)
        if said.anaphor and self.topic is not None:
            said.noun = said.noun or self.topic.noun
        counts = said.count is not None and not said.one_of and not (said.anaphor and said.count.number == 1)
        if self._denies():
            self._deny(said, attributes, counts)
            return
        entity, known = self._resolve(said, attributes)
        entity.span = (said.start, said.end)
        quiet = entity.asked and self.asked.kind != "existence"
        if said.noun is not None and not counts and not quiet and not said.anaphor:
            head = (said.head.start, said.head.end)
            self._add("existence", entity, said.start, said.end, head)
        if counts and said.count is not None and not (quiet and said.determiner == "the"):
            self._count(said, entity, attributes)
        else:
            for name, value, lexeme in said.attributes:
                if not (known and entity.asked and entity.attributes.get(name) == value and quiet):
                    self._describe(entity, name, value, lexeme, said.start, said.end)
                entity.attributes.setdefault(name, value)
        self._arrive(entity, said)

    def _denies(self) -> bool:
        if not self.negation or self.relation is not None:
            return False
        # "The star is not a ball" denies no ball; "I do not see a ball" does.
        return not (self.negation == "not" and self.verb and bool(self.subjects))

    def _deny(self, said: NounPhrase, attributes: dict[str, str], counts: bool) -> None:
        entity = Entity(said.noun, attributes, plural=said.plural, denied=True, span=(said.start, said.end))
        head = (said.head.start, said.head.end)
        if counts and said.count is not None:
            number = (said.count.start, said.count.end)
            self._add("count", entity, said.start, said.end, number, count=said.count.number, polarity=False)
        else:
            self._add("existence", entity, said.start, said.end, head, polarity=False)
        self.last, self.group = entity, [entity]
        if self.negation in ("without",):
            self.negation = ""

    def _resolve(self, said: NounPhrase, attributes: dict[str, str]) -> tuple[Entity, bool]:
        """The object a phrase means, and whether it was spoken of before."""
        predicate = self.pronoun and self.verb and self.relation is None and bool(self.subjects)
        if predicate and said.noun is not None and self.subjects[0].fits(said.noun, attributes):
            return self.subjects[0], True
        if predicate and self.subjects[0].noun is None:
            self.subjects[0].noun = said.noun
            return self.subjects[0], True
        definite = said.determiner == "the" or (said.head.kind == "THING" and said.determiner == "the")
        for entity in reversed(self.entities):
            fresh = entity.asked and entity.span == (0, 0) and self.asked.kind != "count"
            if entity.denied or not (definite or fresh):
                continue
            if said.count is None and entity.fits(said.noun, attributes) and (said.noun or definite):
                return entity, True
        entity = Entity(said.noun, {}, plural=said.plural)
        self.entities.append(entity)
        return entity, False

    def _count(self, said: NounPhrase, entity: Entity, attributes: dict[str, str]) -> None:
        entity.attributes.update(attributes)
        if said.count is None:
            return
        span = (said.count.start, said.count.end)
        if said.whole is not None:
            whole = Entity(said.noun, dict(attributes), plural=True)
            second = (said.whole.start, said.whole.end)
            self._add("count", whole, said.start, said.end, second, count=said.whole.number)
            self.counting = self._add("count", entity, said.start, said.end, span, count=said.count.number)
            return
        partial = said.anaphor or said.determiner == "" or self._after_of(said)
        draft = self._add("count", entity, said.start, said.end, span, count=said.count.number)
        self.counting = draft if partial and not self.verb else None

    def _after_of(self, said: NounPhrase) -> bool:
        return " of " in self.text[said.start : said.end].lower()

    def _arrive(self, entity: Entity, said: NounPhrase) -> None:
        """Connect a mention with the relation, the label or the list it stands in."""
        if self.relation is not None:
            self._relate(entity, said)
            return
        if self.inverted is not None and said.determiner != "the":
            lexeme, other = self.inverted
            self._add(
                "relation",
                entity,
                lexeme.start,
                said.end,
                (lexeme.start, lexeme.end),
                relation=lexeme.value,
                other=other,
            )
            self.inverted = None
        if self.printed is not None:
            self._say(self.printed, entity)
            self.printed = None
        self.group = [*self.group, entity] if self.joined and self.last in self.group else [entity]
        self.last = self.topic = entity

    # What is said of it

    def _copula(self, lexeme: Lexeme) -> None:
        if self.verb:
            return
        if self.last is not None and self.relation is None and not self.inverted:
            several = lexeme.value in ("are", "were", "look", "appear", "seem", "have") and len(self.group) > 1
            self.subjects = list(self.group) if several or _are(lexeme) else self._heads()
            self.verb = True
        elif self.pronoun:
            self.verb = True

    def _heads(self) -> list[Entity]:
        return [self.topic] if self.topic is not None and self.last is not None else []

    def _pronoun(self, lexeme: Lexeme) -> None:
        if self.relation is not None and self.topic is not None:
            subject = self.relation[1] or self.topic
            others = [e for e in self.entities if e is not subject and not e.denied]
            if others:
                self._relate_to(max(others, key=lambda e: e.span[1]), lexeme.end)
            self.relation = None
            return
        if self.topic is None or (self.verb and self.subjects):
            return
        self.pronoun = True
        many = lexeme.raw.lower() in ("they", "their", "them") and len(self.group) > 1 and not self.topic.plural
        self.subjects = list(self.group) if many else [self.topic]
        self.last = self.topic

    def _stray(self, lexemes: list[Lexeme], place: int, lexeme: Lexeme) -> None:
        """An attribute outside a noun phrase: predicate, apposition, short answer, or "with stripes"."""
        name, value = split_attribute(lexeme)
        adjoining = lexeme.number > 0 and place > 0 and lexemes[place - 1].kind == "NOUN"
        if adjoining and self.last is not None:
            subjects = [self.last]
        elif self.verb and self.subjects:
            subjects = self.subjects
        elif self.last is not None:
            subjects = [self.last]
        elif self.topic is not None and self.topic.asked and self.asked.kind in ("attribute", "text", "relation"):
            subjects = [self.topic]
        else:
            return
        for subject in subjects:
            if self.counting is not None and self.counting.subject is subject:
                subject.attributes.setdefault(name, value)
                self.counting.end = lexeme.end
            elif subject.denied:
                subject.attributes.setdefault(name, value)
            else:
                self._describe(subject, name, value, lexeme, subject.span[0], lexeme.end)
                if not self.negation:
                    subject.attributes.setdefault(name, value)
        if self.negation == "without":
            self.negation = ""

    def _describe(self, entity: Entity, name: str, value: str, lexeme: Lexeme, start: int, end: int) -> None:
        span = (lexeme.start, lexeme.end)
        begin = start if 0 < end - start and start <= span[0] and not self._sentence_break(start, span[0]) else span[0]
        self._add(
            "attribute", entity, begin, max(end, span[1]), span, attribute=name, value=value,
            polarity=not self.negation,
        )  # fmt: skip

    def _bare_number(self, lexeme: Lexeme) -> None:
        if self.asked.kind == "count" and not self.asked.yes_no and self.topic is not None and self.topic.asked:
            span = (lexeme.start, lexeme.end)
            self._add(
                "count",
                self.topic,
                *span,
                span,
                count=lexeme.number,
                polarity=not self.negation,
                implied=True,
            )


def _are(lexeme: Lexeme) -> bool:
    return lexeme.raw.lower() in ("are", "were", "look", "appear", "seem", "have")
