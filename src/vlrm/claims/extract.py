"""From free English to atomic claims with character spans: rules over the vocabulary's words, no model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, Entity, finish
from vlrm.claims.english.extract import read_english
from vlrm.claims.english.lexicon import lexicon_of
from vlrm.claims.lexer import Lexeme, lex, looks_printed
from vlrm.claims.questions import Asked, read_question
from vlrm.claims.reader import Reader
from vlrm.claims.vocabulary import EMBEDDED, NO, YES, Vocabulary

if TYPE_CHECKING:
    from vlrm.schema import Claim


def extract_claims(response: str, question: str = "", vocabulary: Vocabulary = EMBEDDED) -> list[Claim]:
    """The claims of a response, each once, in the order of the text.

    ``question`` is needed to read short answers ("No.", "Yellow.", "To the left."). Spans are character offsets into
    ``response``. With :data:`vlrm.claims.english.PHOTOS` as the vocabulary free English about photos is read.
    """
    return list(_extract(response, question, vocabulary))


@lru_cache(maxsize=65536)
def _extract(response: str, question: str, vocabulary: Vocabulary) -> tuple[Claim, ...]:
    if vocabulary.english:
        return tuple(read_english(response, question, lexicon_of(vocabulary)))
    asked = _asked(question, vocabulary)
    lexemes = lex(response, vocabulary)
    entities = asked.entities()
    drafts: list[Draft] = []
    answer = _yes_or_no(lexemes)
    if answer is not None:
        word, polarity, lexemes = answer
        if asked.yes_no and asked.phrases:
            drafts += _answered(asked, entities, word.start, word.end, polarity)
    reader = Reader(response, asked, entities)
    drafts += reader.read(lexemes)
    if answer is None and not drafts:
        drafts += _short_answer(asked, entities, lexemes)
    return tuple(finish(drafts))


@lru_cache(maxsize=4096)
def _asked(question: str, vocabulary: Vocabulary) -> Asked:
    return read_question(question, vocabulary)


def _yes_or_no(lexemes: list[Lexeme]) -> tuple[Lexeme, bool, list[Lexeme]] | None:
    """A leading "Yes" or "No" that is an answer and not the determiner of "no star"."""
    if not lexemes:
        return None
    word, rest = lexemes[0], lexemes[1:]
    said = word.raw.lower()
    if said in YES:
        return word, True, rest
    determines = rest and rest[0].kind in ("NOUN", "ATTR", "THING", "NUM", "MOD", "ONE", "TEXTNOUN", "WORD")
    if said in NO and not determines:
        return word, False, rest
    return None


def _answered(  # noqa: PLR0911 - one return for each kind of question
    asked: Asked, entities: list[Entity], start: int, end: int, polarity: bool
) -> list[Draft]:
    """What "yes" or "no" claims of the question."""
    subject, phrase = entities[0], asked.phrases[0]
    span = (start, end)

    def draft(kind: str, **content: object) -> Draft:
        fields = {"subject": subject, "polarity": polarity, "implied": True, **content}
        return Draft(kind=kind, start=start, end=end, span_value=span, **fields)  # type: ignore[arg-type]

    if asked.kind == "relation":
        return [draft("relation", relation=asked.relation, other=entities[1])]
    if asked.kind == "count":
        return [draft("count", count=asked.count)]
    if asked.kind == "attribute":
        if polarity and asked.attribute and asked.value:
            subject.attributes.setdefault(asked.attribute, asked.value)
        return [draft("attribute", attribute=asked.attribute, value=asked.value)]
    if asked.kind == "text":
        return [draft("text", value=asked.value)]
    if asked.kind != "existence":
        return []
    if not polarity:
        denied = Entity(subject.noun, dict(subject.attributes), denied=True)
        return [draft("existence", subject=denied)]
    found = [draft("existence")] if phrase.noun is not None else []
    return found + [draft("attribute", attribute=a, value=v) for a, v in phrase.phrase().attributes]


def _short_answer(asked: Asked, entities: list[Entity], lexemes: list[Lexeme]) -> list[Draft]:
    """Answers without a sentence of their own: "There is.", "None.", "tea"."""
    if not lexemes or not asked.phrases:
        return []
    start, end = lexemes[0].start, lexemes[-1].end
    denies = any(lexeme.kind == "NEG" for lexeme in lexemes)
    if asked.yes_no:
        affirms = lexemes[0].kind in ("THERE", "PRON") or any(lexeme.kind == "SEE" for lexeme in lexemes)
        return _answered(asked, entities, start, end, not denies) if denies or affirms else []
    if asked.kind == "count" and denies:
        return [Draft("count", entities[0], start, end, (start, end), count=0, implied=True)]
    words = [lexeme for lexeme in lexemes if lexeme.kind != "STOP"]
    if asked.kind == "text" and not denies and words:
        last = words[-1]
        if len(words) == 1 or looks_printed(last.raw):
            span = (last.start, last.end)
            return [Draft("text", entities[0], start, last.end, span, value=last.raw.upper(), implied=True)]
    return []
