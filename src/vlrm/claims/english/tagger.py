"""From characters to tagged words: the longest surface at each place, its reading chosen by its neighbours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.claims.english.lexicon import Lexicon, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(
    r"""["“”](?P<q1>[^"“”\n]{1,80})["“”]"""
    r"""|(?<![A-Za-z0-9])['‘`](?P<q2>[^'’`\n]{1,40})['’`](?![A-Za-z0-9])"""
    r"""|(?P<nt>(?:[A-Za-z]+n['’]t|can['’]t|cannot)\b)|(?P<word>o['’]clock|[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)"""
    r"""|(?P<clitic>['’](?:s|re|m|ve|ll|d)?\b)|(?P<mark>[.,;:!?()&\n–—]|\s-\s)"""
)
_ING_NOUNS = frozenset(
    "building ceiling clothing wedding railing awning painting drawing morning evening string ring king wing swing spring frosting "
    "icing topping parking lighting siding bedding carpeting seating landing opening marking markings pudding dressing stuffing "
    "filling earring engraving writing sling buildings paintings earrings wings thing things lettering scaffolding flooring".split()
)
_ADJECTIVE = re.compile(r"(ous|ful|less|able|ible|ish|ive|ic|like|most|y-looking|ular|ical)$")
NOUNISH = frozenset({"N", "OPEN", "ATTR", "ADJ", "ABSTRACT", "SCENE"})
NOUNS = frozenset({"N", "OPEN", "SCENE", "ABSTRACT"})
_OPENERS = frozenset({"DET", "NUM", "ADJ", "ATTR", "P", "OF", "POSS", "OTHER", "NEG", "WITHOUT", "APPROX"})


@dataclass(frozen=True)
class Word:
    """A surface with the reading chosen for it."""

    reading: Reading
    start: int
    end: int
    raw: str

    @property
    def tag(self) -> str:
        return self.reading.tag


Candidates = tuple[tuple[Reading, ...], int, int, str]


def tag(text: str, lexicon: Lexicon) -> list[Word]:
    """Every word and mark of ``text`` with one reading."""
    candidates = _candidates(text, lexicon)
    words: list[Word] = []
    for place, (readings, start, end, raw) in enumerate(candidates):
        chosen = _choose(candidates, place, words, lexicon)
        words.append(Word(chosen, start, end, raw))
    return _printed(words)


def _candidates(text: str, lexicon: Lexicon) -> list[Candidates]:
    tokens = [(m.lastgroup or "", m.group(m.lastgroup or ""), *m.span(m.lastgroup or "")) for m in _TOKEN.finditer(text)]
    lower = [token[1].lower() for token in tokens]
    found: list[Candidates] = []
    place = 0
    while place < len(tokens):
        kind, raw, start, end = tokens[place]
        if kind != "word":
            found += _mark(kind, raw, start, end)
            place += 1
            continue
        size = min(lexicon.longest.get(lower[place], 0), len(tokens) - place)
        while size and not (
            tuple(lower[place : place + size]) in lexicon.table and all(t[0] == "word" for t in tokens[place : place + size])
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
    marks = {",": "COMMA", "(": "COMMA", ")": "COMMA", "&": "AND", ":": "COLON", "–": "COMMA", "—": "COMMA", " - ": "COMMA"}
    return [one(marks.get(raw, "STOP"))]


def _unknown(raw: str, lexicon: Lexicon) -> tuple[Reading, ...]:
    """Readings of a word that no table lists, by its ending."""
    word = raw.lower()
    if raw.isdigit():
        return (Reading("NUM", word, number=int(raw) if len(raw) <= 3 else -1),)
    if (word.endswith("ly") or word.endswith(("ward", "wards"))) and len(word) > 4:
        return (Reading("ADV", word),)
    one, plural = lexicon.singular(word)
    noun = Reading("OPEN", one, plural=plural)
    if word in _ING_NOUNS:
        return (noun,)
    if word.endswith("ing") and len(word) > 5:
        return (Reading("V", "", form="ing"), noun)
    if (word.endswith("ed") and len(word) > 4) or (word.endswith("wn") and len(word) > 5):
        return (Reading("V", "", form="ed"),)
    if _ADJECTIVE.search(word):
        return (Reading("ADJ", word), noun)
    return (noun,)


def _first(readings: Sequence[Reading], *tags: str) -> Reading | None:
    return next((reading for reading in readings if reading.tag in tags), None)


def _tags(candidates: Sequence[Candidates], place: int) -> set[str]:
    if not 0 <= place < len(candidates):
        return {"STOP"}
    return {reading.tag for reading in candidates[place][0]}


def _choose(candidates: Sequence[Candidates], place: int, before: Sequence[Word], lexicon: Lexicon) -> Reading:
    readings, _, _, raw = candidates[place]
    verb = _first(readings, "V")
    noun = _first(readings, *NOUNS)
    if readings[0].tag == "CLITIC":
        return _clitic(readings[0], candidates, place, before)
    attribute = _first(readings, "ATTR") or _first(readings, "ADJ")
    following = _tags(candidates, place + 1)
    if attribute is not None and verb is None and noun is not None:
        ahead = candidates[place + 1][0] if place + 1 < len(candidates) else ()
        if any(reading.form == "ing" for reading in ahead) and "DET" not in _tags(candidates, place + 2):
            following = following | (_tags(candidates, place + 2) & {"N", "OPEN"})  # "wood cooking utensils"
        modifies = following & NOUNISH and not following & {"BE", "AUX"}
        stated = ("BE", "AND", "ADV", "HEDGE", "NEG") if attribute.value not in lexicon.words["substances"] else ("BE", "ADV", "HEDGE")
        if before and before[-1].tag in NOUNS and noun.value in lexicon.words["substances"]:
            return noun  # "ice cream", "toilet paper"
        predicate = before and before[-1].tag in stated and attribute.value != "young"
        return attribute if modifies or predicate else noun
    if verb is None:
        listed = _first(readings, "LIST", "LIKE")
        if attribute is not None and attribute.attribute == "colour" and before and before[-1].tag == "P" and not following & NOUNISH:
            return Reading("ABSTRACT", raw.lower())  # "a man in black"
        if len(readings) == 1 and noun is not None and following & {"DET", "NUM"} and before and before[-1].tag in ("N", "OPEN"):
            if lexicon.table.get((raw.lower(),)) is None:
                return Reading("V", "", form="s")  # "a man juggles a ball": a noun has no article after it
        return listed or attribute or _by_place(readings, following)
    if _first(readings, "LIST") is not None:
        return _first(readings, "LIST") or verb
    forms = [reading for reading in readings if reading.tag == "V"]
    if len(forms) > 1 and before and before[-1].tag in (*NOUNS, "BE"):
        # "a sandwich cut in half": a form that is a participle too is one after a noun
        verb = next((r for r in forms if r.form == "ed"), verb)
    one, plural = lexicon.singular(raw.lower())
    noun = noun or Reading("OPEN", one, plural=plural)
    known = any(reading.tag in NOUNS for reading in readings)
    return _verb_or_not(verb, noun, known, attribute, raw, before, following)


def _by_place(readings: Sequence[Reading], following: set[str]) -> Reading:
    """Words of several small classes: "while" and such keep the first; "down" is a preposition before a phrase."""
    preposition = _first(readings, "P")
    if preposition is None or len(readings) == 1:
        return readings[0]
    ahead = following & {"DET", "N", "OPEN", "ATTR", "ADJ", "NUM", "PRON", "SCENE", "ABSTRACT", "POSS", "ING"}
    return preposition if ahead else next(r for r in readings if r is not preposition)


def _clitic(reading: Reading, candidates: Sequence[Candidates], place: int, before: Sequence[Word]) -> Reading:
    spoken = before and before[-1].tag in ("THERE", "PRON", "WHICH")
    if reading.value in ("re", "m") or (spoken and reading.value == "s"):
        return Reading("BE", "is")
    if reading.value in ("s", "") and before and before[-1].tag in NOUNS:
        return Reading("POSS", "s")
    return Reading("ADV", reading.value)


def _verb_or_not(  # noqa: PLR0911, PLR0912 - one return for each pattern
    verb: Reading, noun: Reading, known: bool, attribute: Reading | None, raw: str, before: Sequence[Word], following: set[str]
) -> Reading:
    """Whether a form that may be a verb is one here; ``noun`` is what it is otherwise, ``known`` if a table says so."""
    previous = next((word for word in reversed(before) if word.tag != "ADV"), None)
    tag = previous.tag if previous is not None else "STOP"
    heads = following & {"N", "OPEN", "SCENE", "ABSTRACT", "ATTR"}
    if verb.form in ("ing", "ed"):
        return _participle(verb, noun, attribute, raw.lower(), tag, heads, following)
    if attribute is not None and (tag in _OPENERS or tag == "BE"):
        return attribute
    if tag in ("PRON", "WHICH", "AUX", "HEDGE", "NEG", "SPEAKER", "THERE"):
        return verb
    if tag in _OPENERS or tag == "V":
        return noun
    if tag in NOUNS and previous is not None:
        several = previous.reading.plural
        if verb.form == "s":
            return verb if (not several or _one_group(before)) and not following & {"BE", "OF", "POSS"} else noun
        stated = not known and verb.value and following & {"DET", "NUM"}
        return verb if several or stated or _grouped(before) else noun
    if tag in ("AND", "BUT", "COMMA"):
        spoken = any(word.tag == "V" and word.reading.form == verb.form for word in before)
        ahead = {"DET", "P", "NUM", "ADV", "PRON"} | ({"STOP"} if spoken else set())
        return verb if (spoken or verb.form == "s") and following & ahead else noun
    return noun


def _participle(
    verb: Reading, noun: Reading, attribute: Reading | None, word: str, tag: str, heads: set[str], following: set[str]
) -> Reading:  # fmt: skip
    """ "a sleeping cat" describes, "a cat sleeping" tells, "a painting" is a thing."""
    modifying = tag in ("DET", "POSS", "NUM", "ADJ", "ATTR", "OTHER", "OF") and bool(heads)
    if modifying:
        return attribute or (Reading("ATTR", verb.attribute, attribute="state") if verb.attribute else Reading("ADJ", word))
    if verb.form == "ing" and tag in ("DET", "ADJ", "ATTR", "POSS") and not heads and not following & {"DET", "NUM", "PRON"}:
        return noun
    if attribute is not None and attribute.tag == "ATTR":
        return attribute
    if tag in ("STOP", "COMMA", "AND", "P") and verb.form == "ed" and not verb.value and heads:
        return Reading("ADJ", word)
    return verb


def _one_group(before: Sequence[Word]) -> bool:
    """Whether the plural before stands in "a bunch of ...", which takes a singular verb."""
    for word in reversed(before):
        if word.tag == "DET":
            return " of" in word.raw.lower()
        if word.tag not in ("N", "OPEN", "ATTR", "ADJ", "ADV"):
            return False
    return False


def _grouped(before: Sequence[Word]) -> bool:
    """Whether an "and" joins the noun before with an earlier one, so that a plural verb may follow."""
    seen = 0
    for word in reversed(before):
        if word.tag in ("V", "BE", "STOP", "P", "BUT"):
            return False
        if word.tag == "AND":
            return True
        seen += 1
        if seen > 6:
            return False
    return False


_AROUND = frozenset({"DET", "COLON", "TEXTNOUN", "TEXTVERB", "TEXTWORD", "BE", "WHICH", "P", "COMMA", "PRON", "ADV"})


def _printed(words: list[Word]) -> list[Word]:
    """What follows "says" or "the word" without quotation marks, in capitals or digits, becomes a VALUE."""
    result = list(words)
    for place, word in enumerate(words):
        if word.tag not in ("TEXTVERB", "TEXTNOUN"):
            continue
        for ahead in range(place + 1, min(place + 6, len(words))):
            candidate = result[ahead]
            if candidate.tag == "VALUE":
                break
            if _capitals(candidate.raw) or (candidate.tag == "NUM" and word.tag == "TEXTVERB"):
                last = ahead
                while last + 1 < len(words) and _capitals(words[last + 1].raw):
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
