"""From characters to words with spans: the longest vocabulary entry at each place, and printed labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vlrm.claims.vocabulary import Vocabulary

_TOKEN = re.compile(
    r"""["“”](?P<q1>[^"“”\n]{1,60})["“”]"""
    r"""|(?<![A-Za-z0-9])['‘`](?P<q2>[^'’`\n]{1,40})['’`](?![A-Za-z0-9])"""
    r"""|(?P<nt>[A-Za-z]+n['’]t\b)|(?P<word>[A-Za-z0-9]+)|(?P<clitic>['’](?:s|re|m|ve|ll|d)\b)|(?P<mark>[.,;:!?()&]|\n)"""
)
_SKIP_BEFORE_VALUE = frozenset({"TEXTWORD", "DET", "TEXTNOUN", "TEXTVERB", "COP", "WHICH", "COLON"})


class Lexeme(NamedTuple):
    """One word or fixed phrase: its class, its canonical value, the characters it covers."""

    kind: str
    value: str
    start: int
    end: int
    plural: bool = False
    number: int = -1
    raw: str = ""


def lex(text: str, vocabulary: Vocabulary) -> list[Lexeme]:
    """Split ``text``; a VALUE lexeme is something printed on an object, with the span inside its quotes."""
    tokens: list[tuple[str, str, int, int]] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        tokens.append((kind, match.group(kind), match.start(kind), match.end(kind)))
    found: list[Lexeme] = []
    table, longest = vocabulary.table, vocabulary.longest
    lower = [token[1].lower() for token in tokens]
    place = 0
    while place < len(tokens):
        kind, raw, start, end = tokens[place]
        if kind == "word":
            for size in range(min(longest.get(lower[place], 0), len(tokens) - place), 0, -1):
                word = table.get(tuple(lower[place : place + size]))
                if word is not None:
                    end = tokens[place + size - 1][3]
                    found.append(Lexeme(word.kind, word.value, start, end, word.plural, word.number, text[start:end]))
                    place += size
                    break
            else:
                number = int(raw) if raw.isdigit() and len(raw) <= 3 else -1
                found.append(Lexeme("NUM" if number >= 0 else "WORD", lower[place], start, end, False, number, raw))
                place += 1
            continue
        found.extend(_mark(kind, raw, start, end, found))
        place += 1
    return _printed(found, vocabulary)


def _mark(kind: str, raw: str, start: int, end: int, before: list[Lexeme]) -> list[Lexeme]:
    if kind in ("q1", "q2"):
        return [Lexeme("VALUE", raw, start, end, raw=raw)]
    if kind == "nt":
        verb = raw[:-3].lower()
        copula = [Lexeme("COP", verb, start, end, raw=raw)] if verb in ("is", "are", "was", "were", "has") else []
        return [*copula, Lexeme("NEG", "not", start, end, raw=raw)]
    if kind == "clitic":
        spoken = before and before[-1].kind in ("THERE", "PRON", "WHICH", "DET")
        return [Lexeme("COP", "is", start, end, raw=raw)] if spoken and raw[1:].lower() in ("s", "re") else []
    classes = {",": "COMMA", ":": "COLON", "(": "COMMA", ")": "COMMA", "&": "AND"}
    return [Lexeme(classes.get(raw, "STOP"), raw, start, end, raw=raw)]


def _printed(found: list[Lexeme], vocabulary: Vocabulary) -> list[Lexeme]:
    """Turn what follows "says", "labelled", "the word" and the known labels in capitals into VALUE
    lexemes."""
    labels = {label for label in vocabulary.labels if len(label) > 1 and not label.isdigit()}
    result = list(found)
    for place, lexeme in enumerate(found):
        if lexeme.raw in labels and lexeme.kind != "VALUE":
            result[place] = _as_value(lexeme)
        if lexeme.kind not in ("TEXTVERB", "TEXTNOUN"):
            continue
        for ahead in range(place + 1, min(place + 6, len(found))):
            candidate = found[ahead]
            if candidate.kind == "VALUE":
                break
            last = ahead + 1 == len(found) or found[ahead + 1].kind in ("STOP", "COMMA", "ON", "AND", "BUT")
            if looks_printed(candidate.raw) and (candidate.kind in ("WORD", "NUM") or last):
                result[ahead] = _as_value(candidate)
                break
            if candidate.kind not in _SKIP_BEFORE_VALUE:
                break
    return result


def looks_printed(raw: str) -> bool:
    """Whether a word is written as labels are: capitals and digits only."""
    return raw.isalnum() and raw == raw.upper()


def _as_value(lexeme: Lexeme) -> Lexeme:
    return Lexeme("VALUE", lexeme.raw, lexeme.start, lexeme.end, raw=lexeme.raw)
