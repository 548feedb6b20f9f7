"""What a question asks, so that "Yes.", "Three." and "To the left." can be read as claims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Entity
from vlrm.claims.lexer import Lexeme, lex
from vlrm.claims.phrases import NounPhrase, read_phrase, split_attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.vocabulary import Vocabulary

_ASKS = frozenset({"is", "are", "do", "does", "can", "was", "were", "did", "could", "has", "have", "isn", "aren"})


@dataclass
class Asked:
    """A question's kind (description when nothing narrower is asked), its objects and what it supposes of
    them."""

    kind: str = "description"
    yes_no: bool = False
    phrases: list[NounPhrase] = field(default_factory=list)
    attribute: str | None = None
    value: str | None = None
    count: int | None = None
    relation: str | None = None

    def entities(self) -> list[Entity]:
        return [Entity(p.noun, dict(p.phrase().attributes), plural=p.plural, asked=True) for p in self.phrases]


def read_question(question: str, vocabulary: Vocabulary) -> Asked:
    """Classify a question by its words; unknown wordings are descriptions, which suppose nothing."""
    lexemes = lex(question, vocabulary)
    if not lexemes:
        return Asked()
    phrases, stray = _phrases(lexemes)
    words = [lexeme.raw.lower() for lexeme in lexemes]
    kinds = [lexeme.kind for lexeme in lexemes]
    asked = Asked(phrases=phrases)
    asked.yes_no = words[0].split("'")[0] in _ASKS or (words[0] == "are" and len(words) > 1)
    if not phrases:
        text = any(kind in ("TEXTNOUN", "TEXTVERB") for kind in kinds) or "written" in words
        return Asked(kind="text" if text and not asked.yes_no else "description", phrases=[])
    relations = [lexeme.value for lexeme in lexemes if lexeme.kind == "REL"]
    if asked.yes_no:
        _read_yes_no(asked, lexemes, stray, relations)
    elif "how many" in " ".join(words) or "number" in words:
        asked.kind, asked.phrases = "count", phrases[:1]
    elif "where" in words or "side" in words or "position" in words:
        asked.kind = "relation" if len(phrases) >= 2 else "description"
    elif any(kind in ("TEXTNOUN", "TEXTVERB", "TEXTWORD") for kind in kinds):
        asked.kind = "text"
    else:
        names = [lexeme.value for lexeme in lexemes if lexeme.kind == "ATTRNOUN"]
        names += [split_attribute(lexeme)[0] for lexeme in stray]
        if names:
            asked.kind, asked.attribute = "attribute", names[0]
        else:
            asked.phrases = []
    return asked


def _phrases(lexemes: Sequence[Lexeme]) -> tuple[list[NounPhrase], list[Lexeme]]:
    phrases: list[NounPhrase] = []
    stray: list[Lexeme] = []
    place = 0
    while place < len(lexemes):
        found = read_phrase(lexemes, place)
        if found is not None and (found[0].noun is not None or found[0].head.kind == "THING"):
            phrases.append(found[0])
            place = found[1]
            continue
        if lexemes[place].kind == "ATTR":
            stray.append(lexemes[place])
        place += 1
    return phrases, stray


def _read_yes_no(asked: Asked, lexemes: Sequence[Lexeme], stray: list[Lexeme], relations: list[str]) -> None:
    printed = [lexeme.value for lexeme in lexemes if lexeme.kind == "VALUE"]
    existential = any(lexeme.kind in ("THERE", "SEE") for lexeme in lexemes)
    choice = any(lexeme.kind == "OR" for lexeme in lexemes)
    first = asked.phrases[0]
    if choice and len(stray) >= 2:
        asked.kind, asked.attribute, asked.yes_no = "attribute", split_attribute(stray[0])[0], False
    elif choice and len(set(relations)) >= 2 and len(asked.phrases) >= 2:
        asked.kind, asked.yes_no = "relation", False
    elif relations and len(asked.phrases) >= 2:
        asked.kind, asked.relation = "relation", relations[0]
    elif printed:
        asked.kind, asked.value = "text", printed[0]
    elif first.count is not None and first.count.number != 1:
        asked.kind, asked.count = "count", first.count.number
    elif stray and not existential:
        asked.kind = "attribute"
        asked.attribute, asked.value = split_attribute(stray[0])
    elif existential or first.determiner != "the" or lexemes[-1].kind in ("SCENE", "STOP"):
        asked.kind = "existence"
    if choice and asked.kind == "existence" and len(asked.phrases) > 1:
        asked.kind, asked.phrases = "description", []
