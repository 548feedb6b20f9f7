"""From characters to tagged words: the longest surface at each place, its reading chosen by its neighbours."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.english.choosing import Candidates, Word, choose
from vlrm.claims.english.lexicon import Lexicon, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(
    r"""["“”](?P<q1>[^"“”\n]{1,80})["“”]"""
    r"""|(?<![A-Za-z0-9])['‘`](?P<q2>[^'’`\n]{1,40})['’`](?![A-Za-z0-9])"""
    r"""|(?P<nt>(?:[A-Za-z]+n['’]t|can['’]t|cannot)\b)|(?P<word>o['’]clock|\d+:\d+|[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)"""
    r"""|(?P<clitic>['’](?:s|re|m|ve|ll|d)?\b)|(?P<mark>[.,;:!?()&\n–—]|\s-\s)"""
)
_ITEM = re.compile(r"^[ \t*#-]*(\d+)[.)] ", re.MULTILINE)
_INLINE = re.compile(r"(?:^|(?<=[\s:*(]))(\d+)[.)]\*{0,2} (?=\*{0,2}[A-Z])")
_AGES = frozenset({"year", "years", "month", "months", "week", "weeks"})
_ADJECTIVE = re.compile(r"(ous|ful|less|able|ible|ish|ive|ic|like|most|y-looking|ular|ical)$")


def tag(text: str, lexicon: Lexicon) -> list[Word]:
    """Every word and mark of ``text`` with one reading."""
    candidates = _candidates(text, lexicon)
    words: list[Word] = []
    for place, (_, start, end, raw) in enumerate(candidates):
        chosen = choose(candidates, place, words, lexicon)
        words.append(Word(chosen, start, end, raw))
    return _printed(words)


def _candidates(text: str, lexicon: Lexicon) -> list[Candidates]:
    tokens = [
        (m.lastgroup or "", m.group(m.lastgroup or ""), *m.span(m.lastgroup or "")) for m in _TOKEN.finditer(text)
    ]
    lower = [token[1].lower() for token in tokens]
    found: list[Candidates] = []
    items = _item_numbers(text)
    place = 0
    while place < len(tokens):
        kind, raw, start, end = tokens[place]
        if lower[place] == "nobody" or lower[place : place + 2] == ["no", "one"]:
            last = place + (lower[place] == "no")
            found += _nobody(start, tokens[last][3], lower[last + 1 : last + 2])
            place = last + 1
            continue
        if lower[place + 2 : place + 3] == ["old"] and lower[place + 1] in _AGES:
            end = tokens[place + 2][3]
            found.append(((Reading("ADJ", "old"),), start, end, text[start:end]))  # "a five-year-old boy": no five
            place += 3
            continue
        if start in items:
            found.append(((Reading("STOP", raw),), start, end + 1, raw))
            place += 2
            continue
        if kind != "word":
            found += _mark(kind, raw, start, end)
            place += 1
            continue
        size = min(lexicon.longest.get(lower[place], 0), len(tokens) - place)
        while size and not (
            tuple(lower[place : place + size]) in lexicon.table
            and all(t[0] == "word" for t in tokens[place : place + size])
        ):
            size -= 1
        if size:
            end = tokens[place + size - 1][3]
            readings = lexicon.table[tuple(lower[place : place + size])]
            found.append((readings, start, end, text[start:end]))
        else:
            found.append((_unknown(raw, lexicon), start, end, raw))
        place += max(size, 1)
    return found


def _item_numbers(text: str) -> set[int]:
    """Where numbers begin that only count the items of a list.

    That is "1." or "2)" at the beginning of several lines, or within one line from "1. A" on, each one more.
    """
    inline = list(_INLINE.finditer(text))
    counted = [int(match.group(1)) for match in inline] == list(range(1, len(inline) + 1))
    for matches in (list(_ITEM.finditer(text)), inline if counted else []):
        if len(matches) > 1:
            return {match.start(1) for match in matches}
    return set()


def _nobody(start: int, end: int, following: Sequence[str]) -> list[Candidates]:
    """ "Nobody" denies a person; "nobody else" nothing that could be checked."""
    if list(following) in (["else"], ["other"]):
        return [((Reading("ADV", "nobody"),), start, end, "nobody")]
    person = Reading("N", "person")
    return [((Reading("NEG", "no"),), start, start, "no"), ((person,), start, end, "nobody")]


def _mark(kind: str, raw: str, start: int, end: int) -> list[Candidates]:
    def one(tag: str, value: str = "") -> Candidates:
        return ((Reading(tag, value or raw),), start, end, raw)

    if kind in ("q1", "q2"):
        return [one("VALUE")]
    if kind == "nt":
        verb = raw[:-3].lower()
        known = {"is": "BE", "are": "BE", "was": "BE", "were": "BE", "does": "AUX", "do": "AUX", "has": "AUX"}
        return [one(known.get(verb, "AUX"), verb), one("NEG", "not")]
    if kind == "clitic":
        return [one("CLITIC", raw[1:].lower())]
    marks = {
        ",": "COMMA",
        "(": "COMMA",
        ")": "COMMA",
        "&": "AND",
        ":": "COLON",
        "–": "COMMA",
        "—": "COMMA",
        " - ": "COMMA",
    }
    return [one(marks.get(raw, "STOP"))]


def _unknown(  # noqa: PLR0911 - one return for each ending
    raw: str, lexicon: Lexicon
) -> tuple[Reading, ...]:
    """Readings of a word that no table lists, by its ending."""
    word = raw.lower()
    if raw.isdigit():
        return (Reading("NUM", word, number=int(raw) if len(raw) <= 3 else -1),)
    if ":" in word:
        return (Reading("ADV", word),)  # a time
    if (word.endswith("ly") or word.endswith(("ward", "wards"))) and len(word) > 4:
        return (Reading("ADV", word),)
    one, plural = lexicon.singular(word)
    noun = Reading("OPEN", one, plural=plural)
    if word in lexicon.words["ing_nouns"]:
        return (noun,)
    if word.endswith("ing") and len(word) > 5:
        return (Reading("V", "", form="ing"), noun)
    if (word.endswith("ed") and len(word) > 4) or (word.endswith("wn") and len(word) > 5):
        return (Reading("V", "", form="ed"),)
    if _ADJECTIVE.search(word):
        return (Reading("ADJ", word), noun)
    return (noun,)


_AROUND = frozenset({"DET", "COLON", "TEXTNOUN", "TEXTVERB", "TEXTWORD", "BE", "WHICH", "P", "COMMA", "PRON", "ADV"})


def _printed(words: list[Word]) -> list[Word]:
    """What follows "says" or "the word" without quotation marks, in capitals or digits, becomes a VALUE."""
    result = list(words)
    for place, word in enumerate(words):
        ahead = place + 1
        if ahead < len(words) and word.raw.lower() == "number" and words[ahead].tag == "NUM":
            result[ahead] = replace(words[ahead], reading=Reading("VALUE", words[ahead].raw))
        if word.tag not in ("TEXTVERB", "TEXTNOUN"):
            continue
        for ahead in range(place + 1, min(place + 6, len(words))):
            candidate = result[ahead]
            if candidate.tag == "VALUE":
                break
            named = word.tag == "TEXTVERB" and ahead == place + 1 and candidate.raw[0].isupper()
            if named or _capitals(candidate.raw) or (candidate.tag == "NUM" and word.tag == "TEXTVERB"):
                last = ahead
                while last + 1 < len(words) and (
                    _capitals(words[last + 1].raw) or (named and words[last + 1].raw[0].isupper())
                ):
                    last += 1
                raw = " ".join(w.raw for w in words[ahead : last + 1])
                result[ahead] = Word(Reading("VALUE", raw), candidate.start, words[last].end, raw)
                for extra in range(ahead + 1, last + 1):
                    result[extra] = Word(Reading("ADV", ""), words[extra].start, words[extra].end, words[extra].raw)
                break
            if candidate.tag not in _AROUND:
                break
    return result


def _capitals(raw: str) -> bool:
    return len(raw) > 1 and any(c.isalnum() for c in raw) and raw == raw.upper() and raw[0].isalnum()
