"""The objects that a text names, and whether they are those of AMBER's word lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vlrm.claims.english.lexicon import LEXICON
from vlrm.claims.english.tagger import tag

if TYPE_CHECKING:
    from collections.abc import Iterable

NOUN_TAGS = frozenset({"N", "OPEN", "SCENE", "ABSTRACT"})


class Noun(NamedTuple):
    """``word``: in the singular; ``thing``: the COCO object it names or ""; ``kind``: it names only some of these."""

    word: str
    thing: str = ""
    kind: bool = False


def noun_of(word: str) -> Noun:
    """A word of a list."""
    word = LEXICON.singular(word.lower())[0]
    for reading in LEXICON.table.get(tuple(word.replace("-", " ").split()), ()):
        if reading.tag == "N":
            return Noun(word, reading.value, bool(reading.kind))
    return Noun(word)


def nouns_in(text: str) -> list[Noun]:
    """Every noun of ``text`` in its order, repeated ones too; a phrase of the lexicon ("traffic light") is one."""
    found = []
    for word in tag(text, LEXICON):
        if word.tag in NOUN_TAGS:
            reading = word.reading
            single = LEXICON.singular(word.raw.lower())[0]
            found.append(Noun(single, reading.value if reading.tag == "N" else "", bool(reading.kind)))
    return found


class Nouns:
    """A list of words that texts are matched with."""

    def __init__(self, words: Iterable[str]) -> None:
        listed = [noun_of(word) for word in words]
        self.size = len(listed)
        self._words: dict[str, int] = {}
        self._things: dict[str, list[tuple[int, bool]]] = {}
        for place, noun in enumerate(listed):
            self._words.setdefault(noun.word, place)
            if noun.thing:
                self._things.setdefault(noun.thing, []).append((place, noun.kind))

    def place(self, noun: Noun) -> int:
        """Place of the first entry with the same word, else of the first that names the same object, unless both name
        only a kind of it (man and woman); -1 for none."""
        place = self._words.get(noun.word, -1)
        if place >= 0 or not noun.thing:
            return place
        return next((at for at, kind in self._things.get(noun.thing, []) if not (kind and noun.kind)), -1)
