"""Reads tagged sentences left to right: what is mentioned, counted, described, placed, denied, hedged and labelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.english.mentions import Mentions
from vlrm.claims.english.phrases import read_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.drafts import Draft
    from vlrm.claims.english.tagger import Word


class Reader(Mentions):
    """One reading of a text; :meth:`read` is called once."""

    def read(self, words: Sequence[Word]) -> list[Draft]:
        self.words = words
        place = 0
        while place < len(words):
            found = read_phrase(words, place)
            if found is not None:
                self._mention(found[0], place, found[1])
                self.before = place = found[1]
                continue
            self._word(words[place], place)
            place += 1
        self._end_sentence()
        return self.drafts

    def _word(self, word: Word, place: int) -> None:  # noqa: PLR0912, PLR0915 - one branch for each class
        tag = word.tag
        self._presence(word, place)
        self.one_of_several(word)
        if self.lacking and tag in ("V", "SEE"):
            self.negation = ""  # "lacks people and shows a dog"
        if tag == "STOP":
            self._end_sentence()
            self.new_sentence()
        elif tag in ("BUT", "COLON"):
            if self._tag(place + 1) == "NEG" and self.link is not None and self.link.used:
                self.joined = True  # "a hat but no shirt"
                return
            self._end_clause()
        elif tag == "COMMA":
            self.comma = True
            if self.inverted and not self.heads:
                self.link = None
            if self.link is not None and not self.link.used:
                self.link = None
            return
        elif tag == "NEG":
            if self._denies_link(word, place) or self._denies_many(word, place):
                return
            self.negation, self.none_of = word.reading.value, " of" in word.raw.lower() and word.reading.value == "none"
        elif self.comma and word.raw.lower() in ("only", "just"):
            self.negation = ""  # "no trees, only buildings"
            if self.link is not None:
                self.link = replace(self.link, denied=False, by_no=False)
        elif tag == "WITHOUT" and self._lacks(word, place):
            self.negation, self.lacking = "no", True
        elif tag == "WITHOUT":
            self._relate_from(word, "with", place, denied=True)
        elif tag == "HEDGE":
            self.hedged = True
            if word.raw.lower().startswith(("seem", "appear", "look", "could be", "might be", "may be", "what")):
                self._be(word, place)
        elif tag == "THERE":
            self._clause_of_its_own()
            self.there = True
        elif tag == "SEE":
            self.link = None
            self.seen = True
        elif tag == "LIST":
            self.link, self.comma = None, True
            return
        elif tag == "LIKE":
            self.likened = True
        elif tag == "BE":
            self._be(word, place)
        elif tag == "PRON":
            self._pronoun(word, place)
        elif tag == "WHICH":
            if self.negation == "not":
                self.negation = ""
            several = self.antecedent() if " of " in word.raw else None  # "on the road, one of which is red"
            meant = several if several is not None else self.last
            if meant is not None:
                self.subjects, self.relative = [meant], True
        elif tag == "V":
            self._verb(word, place)
        elif tag == "ATTR":
            self._predicate(word, place)
        elif tag == "P":
            self._relate_from(word, word.reading.value, place)
        elif tag in ("TEXTVERB", "TEXTNOUN"):
            self.labelling = self.last if self.last is not None else self.topic
            if tag == "TEXTNOUN" and self._tag(place + 1) in ("P", "OF"):
                self.text_noun = True
        elif tag == "VALUE":
            self._label(word, place)
        elif tag == "AND":
            self.joined = True
            return
        elif tag == "OR":
            self.joined = True
            return
        if tag not in ("ADV", "ADJ"):
            self.comma = self.joined = False
