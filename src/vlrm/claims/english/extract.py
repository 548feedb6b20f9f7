"""Claims of free English about photos, with the question that short answers need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, finish
from vlrm.claims.english.lexicon import LEXICON, Lexicon
from vlrm.claims.english.questions import Asked, read_question, short_answer
from vlrm.claims.english.reader import Reader
from vlrm.claims.english.tagger import Word, tag
from vlrm.claims.vocabulary import NO, YES

if TYPE_CHECKING:
    from vlrm.schema import Claim


def read_english(response: str, question: str = "", lexicon: Lexicon = LEXICON) -> list[Claim]:
    """The claims of a response about a photo, each once, in the order of the text.

    Spans are character offsets into ``response``.
    """
    asked = read_question(question, lexicon) if question else Asked()
    words = tag(response, lexicon)
    drafts: list[Draft] = []
    answer = _yes_or_no(words) or (_short(words, lexicon.words["presence"]) if asked.stated else None)
    entities = asked.fresh_entities()
    if answer is not None:
        word, polarity, words = answer
        drafts += asked.answered(word.start, word.end, polarity)
    drafts += Reader(response, lexicon, entities, asked.kind).read(words)
    if answer is None and asked.open_kind:
        drafts = short_answer(asked, entities, words, drafts, response, lexicon)
    return finish(_of_wholes([draft for draft in drafts if _sayable(draft)]))


def _sayable(draft: Draft) -> bool:
    """Nothing is claimed of what the text never names ("she", "one"), except its label."""
    if draft.kind == "relation" and (draft.subject.noun is None or draft.other is None or draft.other.noun is None):
        return False
    return draft.kind == "text" or draft.subject.noun is not None


def _of_wholes(drafts: list[Draft]) -> list[Draft]:
    """The drafts without counts of some of a kind that nothing a count can say tells from the others.

    "There are three dogs: two on the couch" is no claim that there are two dogs; "two are black" counts the black ones.
    """
    found = []
    for draft in drafts:
        if not draft.part or draft.subject.attributes.keys() - {"kind"}:
            found.append(draft)
            continue
        named = [
            one for one in drafts
            if one is not draft and one.subject.noun == draft.subject.noun and one.kind in ("count", "existence")
        ]  # fmt: skip
        whole = any(one.count not in (None, draft.count) and not one.part for one in named)
        if not (whole or draft.placed):
            found.append(draft)
        elif not named and not draft.subject.asked:
            found.append(replace(draft, kind="existence", count=None))
    return found


_BACK = frozenset({"THERE", "BE", "AUX", "NEG", "SEE", "SPEAKER", "PRON"})
"""What an answer is made of that only says "yes" or "no" in a sentence of its own."""
_SURELY = frozenset({"really", "actually", "indeed", "definitely", "certainly", "clearly", "of course"})


def _short(words: list[Word], presence: frozenset[str]) -> tuple[Word, bool, list[Word]] | None:
    """ "There isn't.", "I don't see any.", "It is not.": yes or no to what was asked, and the sentences after it."""
    end = next((place for place, word in enumerate(words) if word.tag in ("STOP", "COMMA", "BUT")), len(words))
    said = [word.raw.lower() for word in words[:end]]
    none = "none" in said or any(word.tag == "NEG" for word in words[:end])
    # "It is busy" answers another question; "it is not clearly visible" does not say no.
    idle = presence if none else presence | _SURELY
    back = [word for word in words[:end] if word.raw.lower() not in {"any", "one", "that", *idle}]
    plain = all(word.tag in _BACK and word.raw.lower() != "hardly" for word in back)
    if not plain or not any(word.tag in ("BE", "AUX", "SEE", "NEG") for word in back):
        return None
    return words[0], not none, words[end:]


def _yes_or_no(words: list[Word]) -> tuple[Word, bool, list[Word]] | None:
    """A leading "Yes" or "No" that is an answer and not the determiner of "no dog"."""
    if not words:
        return None
    said = words[0].raw.lower()
    if said in YES:
        return words[0], True, words[1:]
    determines = len(words) > 1 and words[1].tag in (
        "N",
        "OPEN",
        "ATTR",
        "ADJ",
        "NUM",
        "OTHER",
        "SCENE",
        "ABSTRACT",
        "V",
    )
    if said in NO and not determines:
        return words[0], False, words[1:]
    return None
