"""Noun phrases ("two small red balls") out of lexemes, with the spans of the number, attributes and noun."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlrm.schema import ObjectPhrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.lexer import Lexeme


@dataclass
class NounPhrase:
    """A phrase as read; ``noun`` is None for "object" and for "one"."""

    noun: str | None
    head: Lexeme
    start: int
    end: int
    determiner: str = ""
    """a, the, any, or empty."""
    count: Lexeme | None = None
    whole: Lexeme | None = None
    """The second number of "two of the three rings"."""
    one_of: bool = False
    anaphor: bool = False
    """The head is "one" or "ones": the noun is the one spoken of before."""
    attributes: list[tuple[str, str, Lexeme]] = field(default_factory=list)

    @property
    def plural(self) -> bool:
        return self.head.plural or (self.count is not None and self.count.number != 1)

    def phrase(self) -> ObjectPhrase:
        return ObjectPhrase(self.noun, tuple(sorted({a: v for a, v, _ in reversed(self.attributes)}.items())))


def split_attribute(lexeme: Lexeme) -> tuple[str, str]:
    name, _, value = lexeme.value.partition("=")
    return name, value


_STARTS = frozenset({"DET", "NUM", "ATTR", "NOUN", "THING", "ONE", "ONEOF", "MOD"})


def read_phrase(  # noqa: PLR0911, PLR0912 - one branch for each lexical class
    lexemes: Sequence[Lexeme], place: int
) -> tuple[NounPhrase, int] | None:
    """The noun phrase that starts at ``place`` and the place after it; None when none starts there."""
    if lexemes[place].kind not in _STARTS:
        return None
    first, size = place, len(lexemes)
    determiner, one_of = "", False
    numbers: list[Lexeme] = []
    attributes: list[tuple[str, str, Lexeme]] = []
    while place < size:
        lexeme = lexemes[place]
        kind = lexeme.kind
        if kind == "DET":
            if attributes:
                return None
            determiner = lexeme.value if determiner in ("", "the") or lexeme.value == "the" else determiner
        elif kind == "NUM":
            if attributes or (numbers and lexemes[place - 1].kind not in ("DET", "OF")):
                return None
            numbers.append(lexeme)
        elif kind == "ONEOF":
            one_of = True
        elif kind == "ATTR" and not lexeme.number > 0:
            attributes.append((*split_attribute(lexeme), lexeme))
        elif kind in ("NOUN", "THING", "ONE"):
            return _phrase(lexemes[first:place], lexeme, determiner, numbers, one_of, attributes), place + 1
        elif kind in ("COMMA", "AND", "OR"):
            # "a small, red ball": a joint between two attributes only.
            if not attributes or place + 1 >= size or lexemes[place + 1].kind not in ("ATTR", "MOD"):
                return None
            if kind == "OR":
                return None
        elif kind == "OF":
            if lexemes[place - 1].kind not in ("NUM", "DET"):
                return None
        elif kind != "MOD":
            break
        place += 1
    return _bare_one(lexemes, first, place, numbers)


def _phrase(
    before: Sequence[Lexeme],
    head: Lexeme,
    determiner: str,
    numbers: list[Lexeme],
    one_of: bool,
    attributes: list[tuple[str, str, Lexeme]],
) -> NounPhrase:
    start = before[0].start if before else head.start
    return NounPhrase(
        noun=head.value if head.kind == "NOUN" else None,
        head=head,
        start=start,
        end=head.end,
        determiner=determiner,
        count=numbers[0] if numbers else None,
        whole=numbers[1] if len(numbers) > 1 else None,
        one_of=one_of,
        anaphor=head.kind == "ONE",
        attributes=attributes,
    )


def _bare_one(
    lexemes: Sequence[Lexeme], first: int, place: int, numbers: list[Lexeme]
) -> tuple[NounPhrase, int] | None:
    """ "one is red", "two of them": a number that stands for objects spoken of before."""
    if len(numbers) != 1 or numbers[0] is not lexemes[first] or place < 1:
        return None
    them = place < len(lexemes) and lexemes[place].kind == "PRON" and lexemes[place - 1].kind == "OF"
    follows = lexemes[place] if place < len(lexemes) else None
    if them or (place == first + 1 and follows is not None and follows.kind == "COP"):
        number = numbers[0]
        end = lexemes[place].end if them else number.end
        found = NounPhrase(None, number, number.start, end, count=number, anaphor=True)
        return found, place + (1 if them else 0)
    return None
