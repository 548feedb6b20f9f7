"""Texts that say the same in other spelling: normalised words, compared by the Jaccard index of their word pairs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TypeAlias

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset(("a", "an", "the"))
Pairs: TypeAlias = Counter[tuple[str, str]]


def word_pairs(text: str) -> Pairs:
    """Each word with its successor, without case, punctuation and articles.

    Pairs rather than words: "a red star and a blue ball" must not equal "a blue star and a red ball".
    """
    words = [w for w in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) if w not in _ARTICLES]
    return Counter(zip(["", *words], [*words, ""], strict=True))


def jaccard(first: Pairs, second: Pairs) -> float:
    """Shared over all, with multiplicity; 1 for equal texts."""
    return (first & second).total() / (first | second).total()
