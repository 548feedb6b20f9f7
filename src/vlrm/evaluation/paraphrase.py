"""Other wordings of a question and two responses that claim exactly the same, to examine consistency."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from vlrm.claims.extract import extract_claims
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.scenes import questions, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION_FAMILIES = (
    questions.DESCRIBE,
    questions.ASK_EXISTENCE,
    questions.ASK_COUNT,
    *questions.ASK_VALUE.values(),
    questions.ASK_RELATION,
    questions.ASK_TEXT,
)
LISTED = tuple(t for t in wording.EXISTENCE if "{a}" in t)
SENTENCE_FAMILIES = (
    wording.EXISTENCE,
    LISTED,
    wording.ABSENCE,
    wording.ATTRIBUTE,
    wording.COUNT,
    wording.RELATION,
    wording.TEXT,
)
_THING = r"[a-z]+(?:[ -][a-z]+){0,4}"
_RELATIONS = sorted((word for words in wording.RELATION_WORDS.values() for word in words), key=len, reverse=True)
SLOTS = {
    "a": rf"(?!.* and )an? {_THING}",
    "n": _THING,
    "ns": _THING,
    "v": r"[a-z]+(?:-sized)?",
    "c": "|".join(wording.NUMBERS),
    "are": "is|are",
    "r": "|".join(_RELATIONS),
    "b": _THING,
    "t": r'[^"]*',
}
"""What may stand in a slot of a template: loose slots would read one kind of sentence as another."""
LOOSE = {id(LISTED): {"a": r"an? .+ and .+"}, id(wording.RELATION): {"a": _THING}}
LOOSE[id(questions.ASK_RELATION)] = {"a": _THING}
"""Families in which a slot holds something else: a list of objects, a phrase after "the"."""
NOUNS = {noun: tuple(dict.fromkeys(words)) for noun, words in wording.NOUNS.items() if len(set(words)) > 1}
OPENING = re.compile(r"^(yes|no)[,.]\s+", re.IGNORECASE)
SENTENCES = re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')


def paraphrase(
    question: str,
    chosen: str,
    rejected: str,
    rng: np.random.Generator,
    known: Sequence[tuple[str, str, str]] = (),
    vocabulary: Vocabulary = EMBEDDED,
) -> tuple[str, str, str] | None:
    """Another wording of all three texts; None when nothing but the wordings ``known`` is found.

    Sentences at the same place are reworded alike on both sides and synonyms are swapped in all three texts,
    so the pair stays as minimal as it was (synonyms of the embedded world alone: a ball may be called a sphere
    there, a tennis ball may not). Kept only when extraction finds the same claims as before on both sides.
    """
    before = [_keys(text, question, vocabulary) for text in (chosen, rejected)]
    for _ in range(12):
        seed = int(rng.integers(2**31))
        swaps = _noun_swaps(np.random.default_rng(seed)) if vocabulary is EMBEDDED else {}
        asked = _swap_nouns(_reworded(question, QUESTION_FAMILIES, np.random.default_rng(seed)), swaps)
        said = [_swap_nouns(_reword_response(text, seed), swaps) for text in (chosen, rejected)]
        fresh = (asked, said[0], said[1])
        changed = all(fresh != other and fresh[1] != other[1] for other in (*known, (question, chosen, rejected)))
        if changed and fresh[1] != fresh[2] and [_keys(text, asked, vocabulary) for text in said] == before:
            return fresh
    return None


def _keys(text: str, question: str, vocabulary: Vocabulary) -> list[tuple[object, ...]]:
    return sorted((claim.key() for claim in extract_claims(text, question, vocabulary)), key=repr)


def _reword_response(text: str, seed: int) -> str:
    opening = OPENING.match(text)
    body = text[opening.end() :] if opening else text
    body = body[:1].upper() + body[1:]
    # One generator per place, so that equal sentences of the two sides get equal new wordings.
    sentences = [
        _reworded(sentence, SENTENCE_FAMILIES, np.random.default_rng([seed, place]))
        for place, sentence in enumerate(SENTENCES.split(body))
    ]
    if opening:
        first = sentences[0]
        sentences[0] = opening.group(0) + (first if first.startswith("I ") else first[:1].lower() + first[1:])
    return " ".join(sentences)


def _reworded(sentence: str, families: Sequence[Sequence[str]], rng: np.random.Generator) -> str:
    """``sentence`` under another template of the family it was made from; unchanged when none fits."""
    for family in families:
        order = [family[i] for i in rng.permutation(len(family))]
        for template in family:
            match = _pattern(template, tuple(LOOSE.get(id(family), {}).items())).fullmatch(sentence)
            if match is None:
                continue
            words = {name.lower(): value for name, value in match.groupdict().items()}
            for other in order:
                if other != template and {n.lower() for n in _slots(other)} == set(words):
                    return _filled(other, words)
    return sentence


@cache
def _slots(template: str) -> frozenset[str]:
    return frozenset(re.findall(r"\{(\w+)\}", template))


@cache
def _pattern(template: str, loose: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    slots = SLOTS | dict(loose)
    parts = re.split(r"\{(\w+)\}", template)
    filled = [f"(?P<{p}>{_cased(slots[p.lower()], p)})" if i % 2 else re.escape(p) for i, p in enumerate(parts)]
    return re.compile("".join(filled))


def _cased(slot: str, name: str) -> str:
    return f"(?i:{slot})" if name.isupper() else slot


def _filled(template: str, words: dict[str, str]) -> str:
    def fill(slot: re.Match[str]) -> str:
        name = slot.group(1)
        value = words[name.lower()]
        if name == "t":
            return value
        return value[:1].upper() + value[1:] if name.isupper() else value[:1].lower() + value[1:]

    text = re.sub(r"\{(\w+)\}", fill, template)
    return re.sub(r"\b([Aa])n? (?=(\w))", lambda m: m[1] + ("n " if m[2] in "aeiou" else " "), text)


def _noun_swaps(rng: np.random.Generator) -> dict[str, str]:
    """word -> word for every noun with synonyms, singular and plural; half of the nouns are swapped."""
    swaps: dict[str, str] = {}
    for words in NOUNS.values():
        if rng.random() < 0.5:
            chosen = words[rng.integers(len(words))]
            swaps |= {word: chosen for word in words}
            swaps |= {wording.plural(word): wording.plural(chosen) for word in words}
    return swaps


def _swap_nouns(text: str, swaps: dict[str, str]) -> str:
    if not swaps:
        return text
    return re.sub(r"\b(" + "|".join(sorted(swaps, key=len, reverse=True)) + r")\b", lambda m: swaps[m.group()], text)
