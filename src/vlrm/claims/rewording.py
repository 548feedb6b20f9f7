"""The words of an edit: what replaces a noun, number, value, relation or label so that the sentence stays
English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from vlrm.claims.lexer import Lexeme, lex
from vlrm.claims.truth import matches, normal_text
from vlrm.claims.vocabulary import NUMBER_WORDS, OPPOSITE, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from vlrm.schema import Claim, SeenObject

_TOKENS = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_DENIALS = (
    (re.compile(r"(\bdo not see any) "), "can see"), (re.compile(r"(\bcannot see an?) "), "can see"),
    (re.compile(r"(\bdoes not show any) "), "does show"), (re.compile(r"( not any) "), ""),
    (re.compile(r"( no) "), ""),
)  # fmt: skip
_OPPOSITE_WORDS = {"left": "right", "right": "left", "above": "below", "over": "under", "atop": "below",
                   "below": "above", "beneath": "above", "under": "over", "underneath": "above",
                   "higher": "lower", "lower": "higher"}  # fmt: skip
Replacement = tuple[int, int, str]


class Change(NamedTuple):
    """Replacements of character spans that together say another value."""

    kind: str
    replacements: list[Replacement]
    old_value: str
    new_value: str
    flips: bool = False
    """Turns a yes into a no, or the other way round."""
    words: tuple[str, str] = ("", "")
    """The words exchanged, where they and not the values must be said equally often (a value has several)."""


def apply(text: str, replacements: Sequence[Replacement]) -> str:
    """The text with spans replaced, capitals kept, and "a" or "an" made to fit the next word."""
    for start, end, words in sorted(replacements, reverse=True):
        fitted = words[:1].upper() + words[1:] if text[start : start + 1].isupper() and words.islower() else words
        text = text[:start] + fitted + text[end:]
        article = re.search(r"\b([Aa])n? $", text[:start])
        if article is not None and fitted:
            an = "n" if takes_an(fitted) else ""
            text = text[: article.start(1) + 1] + an + " " + text[start:]
    return text


def takes_an(words: str) -> bool:
    """Whether "an" stands before these words: a vowel that is spoken as one ("an hour", "a unicorn")."""
    first = words.lower()
    return (first[:1] in "aeiou" and not re.match(r"(uni|use|uti|eu|one\b|once)", first)) or first.startswith("hour")


def length_kept(before: str, after: str) -> bool:
    """Within 10 % or one token."""
    a, b = len(_TOKENS.findall(before)), len(_TOKENS.findall(after))
    return abs(a - b) <= max(1, 0.1 * a)


def reword(  # noqa: PLR0911 - one return for each kind of claim
    text: str,
    claim: Claim,
    objects: Sequence[SeenObject],
    vocabulary: Vocabulary,
    question: str,
    rng: np.random.Generator,
) -> list[Change]:
    """Every way this module knows to say something else in place of a claim; truth is for the caller to
    check."""
    if vocabulary.english:
        from vlrm.claims.english.rewording import reword_english

        return reword_english(text, claim, objects, vocabulary, question)
    said = text[slice(*claim.span_value)]
    if re.match(r"(yes|no)\b", text, re.IGNORECASE):
        flipped = list(flips(text, claim, question))
        if flipped or said.lower() in ("yes", "no"):
            return flipped
    if not claim.polarity or said.lower() in ("yes", "no"):
        return []
    if claim.kind == "existence":
        return list(_objects(text, claim, objects, vocabulary, question, rng))
    if claim.kind == "count":
        return list(_counts(text, claim, said, vocabulary))
    if claim.kind == "attribute":
        return list(_attributes(claim, said, vocabulary, rng))
    if claim.kind == "relation":
        return list(_relations(claim, said))
    return list(labels(claim, said, objects, vocabulary))


def _same_slot(surfaces: Sequence[str], said: str, rng: np.random.Generator) -> str | None:
    """A surface of another value that fits where ``said`` stood: before the noun, or after it with "with"."""
    after = said.lower().startswith("with ")
    fits = [s for s in surfaces if s.startswith("with ") == after and (after or " " not in s)]
    usual = [s for s in fits if not s.endswith(("ish", "stripes", "dots", "spots")) or after]
    if not usual:
        return None
    return usual[0] if rng.random() < 0.6 else str(rng.choice(usual[:2]))


def _objects(
    text: str,
    claim: Claim,
    objects: Sequence[SeenObject],
    vocabulary: Vocabulary,
    question: str,
    rng: np.random.Generator,
) -> Iterator[Change]:
    noun = claim.subject.noun
    if noun is None or any(x.kind == "NOUN" and x.value == noun for x in lex(question, vocabulary)):
        return  # the answer would no longer be about what was asked
    lexemes = lex(text, vocabulary)
    places = [x for x in lexemes if x.kind == "NOUN" and x.value == noun]
    taken = {thing.noun for thing in objects} | {x.value for x in lexemes if x.kind == "NOUN"}
    for other in vocabulary.nouns:
        if other in taken:
            continue
        surface = 0 if rng.random() < 0.6 else int(rng.integers(len(vocabulary.nouns[other])))
        surface = surface if " " not in vocabulary.nouns[other][surface] else 0
        words = [(x.start, x.end, vocabulary.noun_surfaces(other, x.plural)[surface]) for x in places]
        yield Change("object", words, noun, other)


def _counts(text: str, claim: Claim, said: str, vocabulary: Vocabulary) -> Iterator[Change]:
    number = claim.count or 0
    if number == 0:
        return
    for other in (number - 1, number + 1):
        if not 1 <= other < len(NUMBER_WORDS):
            continue
        word = str(other) if said.isdigit() else NUMBER_WORDS[other]
        replacements: list[Replacement] = [(*claim.span_value, word)]
        if 1 in (number, other):
            replacements += _agreement(text, claim, other == 1, vocabulary)
        yield Change("count", replacements, str(number), str(other))


def _agreement(text: str, claim: Claim, one: bool, vocabulary: Vocabulary) -> Iterator[Replacement]:
    """The noun, and the verb beside it, as "one" or more than one needs them."""
    lexemes = lex(text, vocabulary)
    first = next((i for i, x in enumerate(lexemes) if x.start >= claim.span_value[0]), None)
    if first is None:
        return
    head: int | None = None
    for place in range(first, min(first + 7, len(lexemes))):
        lexeme = lexemes[place]
        if lexeme.kind in ("NOUN", "THING"):
            head = place
            yield (lexeme.start, lexeme.end, _inflected(lexeme, one, vocabulary))
            break
        if lexeme.kind in ("STOP", "COP"):
            break
    verbs = {"are": "is", "were": "was"} if one else {"is": "are", "was": "were"}
    beside = [first - 1] + ([head + 1] if head is not None else [])
    for place in beside:
        if 0 <= place < len(lexemes) and lexemes[place].raw.lower() in verbs:
            yield (lexemes[place].start, lexemes[place].end, verbs[lexemes[place].raw.lower()])


def _inflected(lexeme: Lexeme, one: bool, vocabulary: Vocabulary) -> str:
    if lexeme.kind == "THING":
        surfaces = {False: [t + "s" for t in vocabulary.things], True: list(vocabulary.things)}
        names = list(vocabulary.things)
    else:
        names = list(vocabulary.nouns[lexeme.value])
        surfaces = {many: list(vocabulary.noun_surfaces(lexeme.value, not many)) for many in (False, True)}
    known = surfaces[True] + surfaces[False]
    place = known.index(lexeme.raw.lower()) % len(names) if lexeme.raw.lower() in known else 0
    return surfaces[one][place]


def _attributes(claim: Claim, said: str, vocabulary: Vocabulary, rng: np.random.Generator) -> Iterator[Change]:
    if claim.attribute is None or claim.value is None:
        return
    for value, surfaces in vocabulary.attributes[claim.attribute].items():
        words = _same_slot(surfaces, said, rng)
        # "plain" is said in answers ("It is plain."), hardly ever before a noun.
        unsaid = value in vocabulary.unsaid and claim.end > claim.span_value[1]
        if value != claim.value and not unsaid and words is not None:
            yield Change("attribute", [(*claim.span_value, words)], claim.value, value)


def _relations(claim: Claim, said: str) -> Iterator[Change]:
    if said.lower().startswith("on top"):
        words = "beneath"
    else:
        words = re.sub(
            r"\b(" + "|".join(_OPPOSITE_WORDS) + r")\b",
            lambda m: _OPPOSITE_WORDS[m.group(1).lower()],
            said,
            count=1,
            flags=re.IGNORECASE,
        )
    if words != said and claim.relation is not None:
        yield Change("relation", [(*claim.span_value, words)], claim.relation, OPPOSITE[claim.relation])


def labels(claim: Claim, said: str, objects: Sequence[SeenObject], vocabulary: Vocabulary) -> Iterator[Change]:
    """Labels of the same length first: a change of form would give the edit away."""
    value = normal_text(claim.value or "")
    free = [x for x in vocabulary.labels if x != value and not any(matches(o, "text", x) for o in objects)]
    same = [x for x in free if len(x) == len(value) and x.isdigit() == value.isdigit()]
    same = same or [x for x in free if len(x) == len(value)]
    for other in same or [x for x in free if abs(len(x) - len(value)) == 1]:
        yield Change("text", [(*claim.span_value, other.lower() if said.islower() else other)], value, other)


def flips(text: str, claim: Claim, question: str) -> Iterator[Change]:
    """ "Yes, there is a red star." <-> "No, there is no red star.", and the bare answers."""
    answer = re.match(r"(yes|no)\b", text, re.IGNORECASE)
    if answer is None or not question:
        return
    yes = answer.group(1).lower() == "yes"
    word: Replacement = (*answer.span(), "no" if yes else "yes")
    kind = claim.kind
    rest = text[answer.end() :].strip(" .!\n")
    if not rest:
        yield Change(kind, [word], "yes" if yes else "no", "no" if yes else "yes", flips=True)
        return
    start = answer.end()
    sentence = re.match(r"[^.!?]*", text[start:])
    first = sentence.group() if sentence else ""
    if kind != "existence" or " are " in first or "here is" in first.replace("there", ""):
        return
    if claim.start >= start + len(first):
        return  # a later sentence, which the answer does not speak of
    if yes:
        article = re.search(r"( an?) ", first)
        if article is not None:
            span = (start + article.start(1), start + article.end(1))
            yield Change("existence", [word, (*span, " no")], "yes", "no", flips=True)
        return
    for pattern, verb in _DENIALS:
        denial = pattern.search(first)
        if denial is not None:
            an = "an" if first[denial.end() :][:1] in "aeiou" else "a"
            new = (start + denial.start(1), start + denial.end(1), f"{verb} {an}")
            yield Change("existence", [word, new], "no", "yes", flips=True)
            return
