"""The words of an edit of free English: another object, number, value, place or label, the sentence still English."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from vlrm.claims.english.lexicon import LEXICON, Lexicon, lexicon_of
from vlrm.claims.english.tagger import Word, tag
from vlrm.claims.rewording import Change, flips, labels
from vlrm.claims.vocabulary import NUMBER_WORDS, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vlrm.schema import Claim, SeenObject

_SIDES = {"left": "right", "right": "left"}
_MOST = 9
_UNCOUNTED = frozenset({"broccoli", "skis", "scissors"})
_FIRST_PLURAL = 2


def reword_english(  # noqa: PLR0911 - one return for each kind of claim
    text: str, claim: Claim, objects: Sequence[SeenObject], vocabulary: Vocabulary, question: str
) -> list[Change]:
    """Every way this module knows to say something else in place of a claim; truth is for the caller to check."""
    said = text[slice(*claim.span_value)]
    if re.match(r"(yes|no)\b", text, re.IGNORECASE):
        flipped = list(flips(text, claim, question))
        if flipped or said.lower() in ("yes", "no"):
            return flipped
    if not claim.polarity or claim.hedged:
        return []
    if claim.kind == "existence":
        return list(_objects(text, claim, question, vocabulary))
    if claim.kind == "count":
        return list(_counts(claim, said))
    if claim.kind == "attribute":
        return list(_attributes(text, claim, said))
    if claim.kind == "relation":
        return list(_relations(claim, said))
    return list(labels(claim, said, objects, vocabulary))


def _objects(text: str, claim: Claim, question: str, vocabulary: Vocabulary) -> Iterator[Change]:
    """Another object of the vocabulary in every place where the text names this one.

    Persons stay: what a text goes on to say of them ("he", "wearing") is said of nothing else.
    """
    noun = claim.subject.noun
    lexicon = lexicon_of(vocabulary)
    words = tag(text, lexicon)
    if noun is None or noun not in lexicon.objects or noun == "person" or _named(question, noun, lexicon):
        return
    places = [word for word in words if word.tag == "N" and word.reading.value == noun]
    if len({(word.raw.lower(), word.reading.plural) for word in places}) != 1 or _modifies(words, places):
        return
    if re.search(r"\bpairs? of\b|\bpieces? of\b|\bslices? of\b", text, re.IGNORECASE) or noun in _UNCOUNTED:
        return
    old, many = places[0].raw.lower(), places[0].reading.plural
    mentioned = {word.reading.value for word in words if word.tag == "N"}
    fitting = dict.fromkeys(other for group in lexicon.groups if noun in group for other in group)
    for other in fitting:
        if other not in vocabulary.nouns or other in mentioned or other in _UNCOUNTED:
            continue
        for surface in surfaces(other, many, lexicon):
            spans = [(word.start, word.end, surface) for word in places]
            yield Change("object", spans, noun, other, words=(old, surface))


def surfaces(noun: str, many: bool, lexicon: Lexicon = LEXICON) -> list[str]:
    """The words for a class and for its kinds, in the number asked for."""
    names = [name for key in ("same", "kinds") for name in lexicon.objects[noun][key] if name.count(" ") < 2]
    return [lexicon.plural(name) if many else name for name in names]


def _named(question: str, noun: str, lexicon: Lexicon) -> bool:
    return any(word.tag == "N" and word.reading.value == noun for word in tag(question, lexicon))


def _modifies(words: Sequence[Word], places: Sequence[Word]) -> bool:
    """Whether one of the places only says which sort the next noun is ("train" of "train station")."""
    after = dict(pairwise(words))
    return any(word in after and after[word].tag in ("N", "OPEN", "ABSTRACT", "POSS") for word in places)


def _counts(claim: Claim, said: str) -> Iterator[Change]:
    number = claim.count or 0
    word = said.lower()
    if (word not in NUMBER_WORDS and not word.isdigit()) or number < _FIRST_PLURAL:
        return
    for other in (number - 2, number - 1, number + 1, number + 2):
        if _FIRST_PLURAL <= other <= _MOST:
            new = str(other) if word.isdigit() else NUMBER_WORDS[other]
            yield Change("count", [(*claim.span_value, new)], str(number), str(other), words=(word, new))


def _attributes(text: str, claim: Claim, said: str) -> Iterator[Change]:
    table = LEXICON.attributes.get(claim.attribute or "")
    if table is None or claim.value is None or claim.value not in table["edit"]:
        return
    if said.lower() != table["words"][claim.value][0]:
        return
    nearby = {word.reading.value for word in tag(text, LEXICON) if word.tag == "ATTR"}
    rivals = [set(group) for group in table.get("exclusive", ())]
    for value in table["edit"]:
        excluded = not rivals or any({value, claim.value} <= group for group in rivals)
        if value not in nearby and excluded:
            new = table["words"][value][0]
            yield Change("attribute", [(*claim.span_value, new)], claim.value, value, words=(said.lower(), new))


def _relations(claim: Claim, said: str) -> Iterator[Change]:
    entry = LEXICON.relations.get(claim.relation or "")
    if entry is None:
        return
    for other in entry["opposite"]:
        if claim.relation in ("left of", "right of"):
            new = re.sub(r"\b(left|right)\b", lambda m: _SIDES[m.group(1).lower()], said, flags=re.IGNORECASE)
        else:
            new = LEXICON.relations[other]["words"][0]
        yield Change(
            "relation", [(*claim.span_value, new)], claim.relation or "", other, words=(said.lower(), new.lower())
        )
