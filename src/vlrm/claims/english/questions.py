"""What a question about a photo asks, so that "No.", "Three." and "On the bed." can be read as claims."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, Entity
from vlrm.claims.english.phrases import ranges, read_phrase
from vlrm.claims.english.reader import Reader
from vlrm.claims.english.tagger import Word, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.english.lexicon import Lexicon

_WH = re.compile(r"^\W*(what|where|who|which|how many|how)\b", re.IGNORECASE)
_SHOWN = re.compile(
    r"^\W*((do|can|could) you (see|spot|notice|find)|(does|do) (the|this) (image|picture|photo|photograph|scene)s? "
    r"(show|contain|have|include|feature|depict|display))\b",
    re.IGNORECASE,
)
"""Another way to ask "is there"."""
_QUANTITIES = re.compile(
    r"\b(more|less|fewer|at least|at most|several|many|multiple|numerous|few|a lot|lots|both|all|every|most|other|else|"
    r"same)\b",
    re.IGNORECASE,
)
"""To answer "no" to a question with one of these denies how many there are, which is no claim of ours."""
_ATTRIBUTES = {"color": "colour", "colour": "colour", "colors": "colour", "size": "size", "material": "material",
               "shape": "shape", "pattern": "pattern"}  # fmt: skip
_STRENGTH = ("relation", "text", "count", "attribute", "existence")
"""What "no" denies is the most a question says: of "Is the red cup on the table?" the place."""


@dataclass
class Asked:
    """A question's kind ("description" when nothing narrower is asked), its statement, and the objects it supposes."""

    kind: str = "description"
    stated: list[Draft] = field(default_factory=list)
    """Of a yes-or-no question: what "yes" claims."""
    prefix: str = ""
    """Of an open question: the words that make a sentence of a short answer ("the cat is")."""
    entities: list[Entity] = field(default_factory=list)
    quantified: bool = False
    """Whether it asks of "many", "all" or "other" objects, or of two at once."""

    @property
    def open_kind(self) -> bool:
        return bool(self.prefix) or self.kind == "count"

    def fresh_entities(self) -> list[Entity]:
        """The question's objects for one answer, which may say more of them."""
        return [Entity(e.noun, dict(e.attributes), plural=e.plural, asked=True) for e in self.entities]

    def answered(self, start: int, end: int, polarity: bool) -> list[Draft]:
        """What "yes" or "no" at these characters claims."""
        if polarity:
            return [
                self._said(draft, start, end, draft.polarity) for draft in self.stated if not _supposed(draft, self)
            ]
        stated = [] if self.quantified else [draft for draft in self.stated if not _supposed(draft, self)]
        kind = next((kind for kind in _STRENGTH if any(draft.kind == kind for draft in stated)), "")
        if kind in ("existence", "attribute") and self.kind == "existence":
            found = [draft for draft in stated if draft.kind == "existence" and not draft.subject.asked][:1]
            return [self._said(draft, start, end, not draft.polarity) for draft in found]
        main = [draft for draft in stated if draft.kind == kind]
        return [self._said(draft, start, end, not draft.polarity) for draft in main[:1]]

    def _said(self, draft: Draft, start: int, end: int, polarity: bool) -> Draft:
        subject = Entity(draft.subject.noun, dict(draft.subject.attributes), draft.subject.plural, denied=not polarity)
        if draft.kind == "attribute" and not polarity:
            subject.attributes.pop(draft.attribute or "", None)
        return replace(
            draft, subject=subject, start=start, end=end, span_value=(start, end), polarity=polarity, implied=True
        )


def _supposed(draft: Draft, asked: Asked) -> bool:
    """Whether the question takes for granted what the draft says: the things it calls "the"."""
    return draft.kind == "existence" and asked.kind != "existence" and draft.subject.asked


def read_question(question: str, lexicon: Lexicon) -> Asked:
    """Classify a question by its first words; unknown wordings are descriptions, which suppose nothing."""
    question = _SHOWN.sub("Is there", question)
    wh = _WH.match(question)
    if wh is not None:
        return _open(question, wh.group(1).lower(), lexicon)
    words = tag(question, lexicon)
    if not words or (words[0].tag not in ("BE", "AUX") and words[0].raw.lower() not in ("have", "has", "had")):
        return Asked()
    return _yes_no(question, words, lexicon)


def _yes_no(question: str, words: Sequence[Word], lexicon: Lexicon) -> Asked:
    first, rest = words[0], words[1:]
    if not rest:
        return Asked()
    body = question[first.end :].rstrip(" ?.")
    if re.search(r"\bor\b", body):
        return Asked(kind="attribute" if words[0].tag == "BE" else "description", entities=_definite(rest))
    described = False
    if rest[0].tag == "THERE":
        statement = f"there {first.raw} {question[rest[0].end :].rstrip(' ?.')}"
    else:
        found = read_phrase(rest, 0)
        end = rest[found[1] - 1].end if found is not None else first.end
        described = found is not None and _describes(rest[found[1] :])
        if described:
            end = rest[-3].end if rest[-1].tag == "STOP" else rest[-2].end  # "is the cup on the table blue"
        helper = first.raw if first.tag == "BE" else "does"
        statement = f"{question[first.end : end]} {helper}{question[end:].rstrip(' ?.')}".strip()
    statement = re.sub(r"\bany\b", "a", statement)
    reader = Reader(statement, lexicon)
    stated = [d for d in reader.read(tag(statement, lexicon)) if not (described and d.kind == "relation")]
    supposed = _definite(rest)
    stated = [draft for draft in stated if not any(_tells_which(draft, entity) for entity in supposed)]
    for draft in stated:
        draft.subject.asked = any(entity.noun == draft.subject.noun for entity in supposed)
    kinds = {draft.kind for draft in stated if not (draft.kind == "existence" and draft.subject.asked)}
    kind = next((kind for kind in _STRENGTH if kind in kinds), "description")
    if kind == "attribute" and not any(draft.subject.asked for draft in stated if draft.kind == "attribute"):
        kind = "existence"
    joined = any(word.tag == "AND" and before.tag not in ("ATTR", "ADJ") for before, word in pairwise(rest))
    quantified = joined or _QUANTITIES.search(body) is not None
    entities = [entity for entity in reader.entities if entity.noun is not None]
    return Asked(kind=kind, stated=stated, entities=entities, quantified=quantified)


def _tells_which(draft: Draft, entity: Entity) -> bool:
    """Whether the draft only says which object is asked of: "is the red bus moving"."""
    same = draft.kind == "attribute" and draft.subject.noun == entity.noun
    return same and entity.attributes.get(draft.attribute or "") == draft.value


def _describes(words: Sequence[Word]) -> bool:
    """Whether a place and then an attribute follow the subject: "(is the cup) on the table blue"."""
    tags = [word.tag for word in words if word.tag != "STOP"]
    return len(tags) > 2 and tags[0] == "P" and tags[-1] == "ATTR" and tags[-2] in ("N", "OPEN")


def _definite(words: Sequence[Word]) -> list[Entity]:
    """The objects that the question calls "the": it supposes that they are there."""
    found: list[Entity] = []
    place = 0
    while place < len(words):
        phrase = read_phrase(words, place)
        if phrase is None:
            place += 1
            continue
        owned = place > 0 and words[place - 1].tag == "POSS"
        if (owned or phrase[0].determiner in ("the", "poss")) and phrase[0].noun is not None:
            attributes = {name: value for name, value, _ in phrase[0].attributes}
            if phrase[0].kind:
                attributes["kind"] = phrase[0].kind
            found.append(Entity(phrase[0].noun, attributes, phrase[0].plural, asked=True))
        place = phrase[1]
    return found


def _open(  # noqa: PLR0911 - one return for each kind of question
    question: str, word: str, lexicon: Lexicon
) -> Asked:
    body = question.strip().rstrip(" ?.")
    words = tag(body, lexicon)
    supposed = _definite(words)
    if word == "how many":
        start = next((i for i in range(len(words)) if words[i].start >= body.lower().find("many") + 4), len(words))
        phrase = read_phrase(words, start) if start < len(words) else None
        if phrase is None or phrase[0].noun is None:
            return Asked()
        attributes = {name: value for name, value, _ in phrase[0].attributes}
        if phrase[0].kind:
            attributes["kind"] = phrase[0].kind
        return Asked("count", entities=[Entity(phrase[0].noun, attributes, plural=True, asked=True), *supposed])
    lower = body.lower()
    attribute = next((name for name in _ATTRIBUTES if re.match(rf"what( is| are)? (the )?{name}\b", lower)), "")
    if attribute and supposed:
        return Asked("attribute", prefix=f"the {_words_of(words)} is", entities=supposed)
    if re.search(r"\b(say|says|written|read|reads)\b", lower) and supposed:
        return Asked("text", entities=supposed)
    match = re.match(
        r"what (is|are) (on|in|under|behind|next to|near|above|below|in front of|inside|beside|"
        r"to the left of|to the right of)\b(.*)",
        lower,
    )
    if match is not None:
        return Asked("relation", prefix=f"{match.group(2)}{match.group(3)} is", entities=supposed)
    match = re.match(r"(?:what|where) (is|are) (.+)", lower)
    if match is not None and supposed:
        return Asked("relation", prefix=_statement(match.group(2), match.group(1), lexicon), entities=supposed)
    return Asked(entities=supposed)


def _words_of(words: Sequence[Word]) -> str:
    for place in range(len(words)):
        phrase = read_phrase(words, place)
        if phrase is not None and phrase[0].determiner == "the" and phrase[0].noun is not None:
            return " ".join(word.raw for word in words[place : phrase[1]] if word.tag != "DET")
    return ""


def _statement(rest: str, verb: str, lexicon: Lexicon) -> str:
    """ "the man holding" -> "the man is holding"."""
    words = tag(rest, lexicon)
    phrase = read_phrase(words, 0)
    if phrase is None:
        return ""
    end = words[phrase[1] - 1].end
    return f"{rest[:end]} {verb}{rest[end:]}"


def short_answer(
    asked: Asked, entities: list[Entity], words: Sequence[Word], drafts: list[Draft], text: str, lexicon: Lexicon
) -> list[Draft]:
    """The drafts of an answer that is no sentence by itself, read as the end of the question's statement."""
    if asked.kind == "count":
        return drafts if any(d.kind == "count" for d in drafts) else [*drafts, *_number(entities, words)]
    if not words or any(w.tag in ("BE", "THERE", "PRON", "AUX") or w.reading.form in ("s", "base") for w in words):
        return drafts
    whole = f"{asked.prefix} {text}"
    shift = len(asked.prefix) + 1
    reader = Reader(whole, lexicon, asked.fresh_entities(), asked.kind)
    found: list[Draft] = []
    for draft in reader.read(tag(whole, lexicon)):
        if draft.end <= shift:
            continue
        start, end = max(draft.start - shift, 0), draft.end - shift
        low, high = draft.span_value[0] - shift, draft.span_value[1] - shift
        draft.start, draft.end = start, end
        draft.span_value = (low, high) if low >= 0 else (start, end)
        found.append(draft)
    return found


def _number(entities: Sequence[Entity], words: Sequence[Word]) -> list[Draft]:
    inexact = any(ahead.tag == "NUM" and word.tag == "APPROX" for word, ahead in pairwise(words))
    if inexact or any(ranges(words, place) for place in range(1, len(words))):
        return []
    for word in words:
        denies = word.tag == "NEG" and word.reading.value in ("no", "none")
        if (word.tag == "NUM" and word.reading.number >= 0) or denies:
            span = (word.start, word.end)
            counted = Entity(entities[0].noun, dict(entities[0].attributes), plural=True)
            return [Draft("count", counted, *span, span, count=0 if denies else word.reading.number, implied=True)]
    return []
