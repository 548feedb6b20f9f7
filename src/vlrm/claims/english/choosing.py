"""Which reading a word has here: noun, verb, attribute or preposition, by its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.claims.english.lexicon import Lexicon, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

NOUNISH = frozenset({"N", "OPEN", "ATTR", "ADJ", "ABSTRACT", "SCENE"})
NOUNS = frozenset({"N", "OPEN", "SCENE", "ABSTRACT"})
_PERFECT = frozenset({"has", "have", "had"})
_FLOATING = frozenset({"both", "all", "each"})
_AFTER_NOUN = frozenset({"P", "STOP", "COMMA"})
_AFTER_VERB = frozenset({"P", "ADV", "DET", "NUM"})
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


def _first(readings: Sequence[Reading], *tags: str) -> Reading | None:
    return next((reading for reading in readings if reading.tag in tags), None)


def _tags(candidates: Sequence[Candidates], place: int) -> set[str]:
    if not 0 <= place < len(candidates):
        return {"STOP"}
    return {reading.tag for reading in candidates[place][0]}


def choose(  # noqa: PLR0911 - one return for each way to decide
    candidates: Sequence[Candidates], place: int, before: Sequence[Word], lexicon: Lexicon
) -> Reading:
    """The reading of the candidate at ``place``, by what stands before it (decided) and after it (open)."""
    readings, _, _, raw = candidates[place]
    verb = _first(readings, "V")
    noun = _first(readings, *NOUNS)
    special = _special(readings, raw.lower(), before, _tags(candidates, place + 1))
    if special is not None:
        return special
    attribute = _first(readings, "ATTR") or _first(readings, "ADJ")
    following = _tags(candidates, place + 1)
    if attribute is not None and verb is None and noun is not None:
        ahead = candidates[place + 1][0] if place + 1 < len(candidates) else ()
        if any(reading.form == "ing" for reading in ahead) and "DET" not in _tags(candidates, place + 2):
            following = following | (_tags(candidates, place + 2) & {"N", "OPEN"})  # "wood cooking utensils"
        modifies = following & NOUNISH and not following & {"BE", "AUX"}
        thing = {attribute.value, noun.value} & lexicon.words["substances"]
        # "red and gold" says a colour, "ketchup and mustard" does not
        coupled = not thing or (len(before) > 1 and before[-2].tag in ("ATTR", "ADJ"))
        stated = ("BE", "ADV", "HEDGE", *(("AND",) if coupled else ()), *(() if thing else ("NEG",)))
        if before and before[-1].tag in NOUNS and noun.value in lexicon.words["substances"]:
            return noun  # "ice cream", "toilet paper"
        predicate = before and before[-1].tag in stated and attribute.value != "young"
        return attribute if modifies or predicate else noun
    if verb is None:
        listed = _first(readings, "LIST", "LIKE")
        if (
            attribute is not None
            and attribute.attribute == "colour"
            and before
            and before[-1].tag == "P"
            and not following & NOUNISH
            and not _one_of_two(candidates, place)
        ):
            return Reading("ABSTRACT", raw.lower())  # "a man in black"
        if (
            len(readings) == 1
            and noun is not None
            and following & {"DET", "NUM"}
            and before
            and before[-1].tag in ("N", "OPEN")
        ):
            if lexicon.table.get((raw.lower(),)) is None:
                return Reading("V", "", form="s")  # "a man juggles a ball": a noun has no article after it
        return listed or attribute or _by_place(readings, following)
    small = _first(readings, "LIST", "AUX")
    if small is not None:
        return small
    forms = [reading for reading in readings if reading.tag == "V"]
    previous = _last(before)
    if len(forms) > 1 and previous is not None and (previous.tag in (*NOUNS, "BE") or previous.raw.lower() in _PERFECT):
        # "a sandwich cut in half", "has hit the ball": what may be a participle is one after a noun and after "has"
        verb = next((r for r in forms if r.form == "ed"), verb)
    one, plural = lexicon.singular(raw.lower())
    noun = noun or Reading("OPEN", one, plural=plural)
    known = any(reading.tag in NOUNS for reading in readings)
    return _verb_or_not(verb, noun, known, attribute, raw, before, following)


def _special(readings: Sequence[Reading], word: str, before: Sequence[Word], following: set[str]) -> Reading | None:
    """Of words with rules of their own."""
    if word == "one":
        return _one(readings, before, following)
    if readings[0].tag == "CLITIC":
        return _clitic(readings[0], before)
    if before and before[-1].tag in ("N", "OPEN"):
        if word == "left" and following & _AFTER_NOUN:
            return Reading("ADV", "left")  # "one banana left in the bowl"
        if word == "that" and following & {"V", "AUX"}:
            return _first(readings, "WHICH")  # "a cat that sits on a table"
    return None


def _one(readings: Sequence[Reading], before: Sequence[Word], following: set[str]) -> Reading:
    """ "One dog" and "one is red" count, "the red one" and "one of the dogs" do not; "the other one" is "the other"."""
    number = _first(readings, "NUM")
    tag = before[-1].tag if before else "STOP"
    if tag == "OTHER":
        return Reading("ADV", "one")
    starts = tag in ("STOP", "COMMA", "AND", "BUT") and "OF" not in following
    counts = tag not in ("DET", "ATTR", "ADJ") and following & {"N", "OPEN", "ATTR", "ADJ"}
    return number if number is not None and (starts or counts) else readings[0]


def _one_of_two(candidates: Sequence[Candidates], place: int) -> bool:
    """Whether a colour stands before a thing's name with another: "with yellow and blue cars"."""
    second = {reading.attribute for reading in candidates[place + 2][0]} if place + 2 < len(candidates) else set()
    return "AND" in _tags(candidates, place + 1) and "colour" in second and bool(_tags(candidates, place + 3) & NOUNS)


def _last(before: Sequence[Word]) -> Word | None:
    """The last word before but for adverbs and the like: "they are both sitting"."""
    return next((word for word in reversed(before) if word.tag != "ADV" and word.raw.lower() not in _FLOATING), None)


def _by_place(readings: Sequence[Reading], following: set[str]) -> Reading:
    """Words of several small classes: "while" and such keep the first; "down" is a preposition before a phrase."""
    preposition = _first(readings, "P")
    if preposition is None or len(readings) == 1:
        return readings[0]
    ahead = following & {"DET", "OTHER", "N", "OPEN", "ATTR", "ADJ", "NUM", "PRON", "SCENE", "ABSTRACT", "POSS", "ING"}
    return preposition if ahead else next(r for r in readings if r is not preposition)


def _clitic(reading: Reading, before: Sequence[Word]) -> Reading:
    spoken = before and before[-1].tag in ("THERE", "PRON", "WHICH")
    if reading.value in ("re", "m") or (spoken and reading.value == "s"):
        return Reading("BE", "is")
    if reading.value in ("s", "") and before and before[-1].tag in NOUNS:
        return Reading("POSS", "s")
    return Reading("ADV", reading.value)


def _verb_or_not(  # noqa: PLR0911 - one return for each pattern
    verb: Reading,
    noun: Reading,
    known: bool,
    attribute: Reading | None,
    raw: str,
    before: Sequence[Word],
    following: set[str],
) -> Reading:
    """Whether a form that may be a verb is one here; ``noun`` is what it is otherwise, ``known`` if a table says so."""
    previous = _last(before)
    tag = previous.tag if previous is not None else "STOP"
    heads = following & {"N", "OPEN", "SCENE", "ABSTRACT", "ATTR"}
    if raw.lower() in ("has", "have") or (before and before[-1].raw.lower() == "of them"):
        return verb  # "one of them wears a hat"
    if verb.form in ("ing", "ed"):
        return _participle(verb, noun, attribute, raw.lower(), tag, heads, following)
    if attribute is not None and (
        tag in _OPENERS or tag == "BE" or (tag == "BUT" and before[-2:-1] and before[-2].tag == "ATTR")
    ):
        return attribute
    if attribute is not None and tag in NOUNS and before[0].tag == "BE" and "STOP" in following:
        return attribute  # "is the door open?"
    if tag == "NEG" and previous is not None and previous.reading.value == "no":
        return noun
    if tag in ("PRON", "WHICH", "AUX", "HEDGE", "NEG", "SPEAKER", "THERE"):
        return verb
    if previous is not None and previous.raw.lower() == "others" and verb.form == "base":
        return verb
    if tag == "ATTR" and verb.form == "s" and following & _AFTER_VERB and _predicate(before, known):
        return verb
    if tag in _OPENERS or tag == "V":
        return noun
    if tag in NOUNS and previous is not None:
        several = previous.reading.plural
        if verb.form == "s":
            alone = not several or _one_group(before) or (_with_several(before) and following & _AFTER_VERB)
            return verb if alone and not following & {"BE", "OF", "POSS"} else noun
        stated = not known and verb.value and following & {"DET", "NUM"}
        return verb if several or stated or _grouped(before) or (not known and _said_apart(before)) else noun
    if tag in ("AND", "BUT", "COMMA"):
        spoken = any(word.tag == "V" and word.reading.form == verb.form for word in before)
        ahead = {"DET", "P", "NUM", "ADV", "PRON"} | ({"STOP"} if spoken else set())
        aside = tag == "COMMA" and verb.form == "base" and not known  # "the chairs, one red and one blue, stand by"
        return verb if (spoken or aside or verb.form == "s") and following & ahead else noun
    return noun


def _predicate(before: Sequence[Word], known: bool) -> bool:
    """Whether the attributes before are said of a thing and not before its name: "that is painted red and white".

    Where what follows is ``known`` as a noun ("there are red stands"), only after a participle.
    """
    for word in reversed(before):
        if word.tag not in ("ATTR", "AND", "ADV"):
            made = word.reading.form == "ed" or word.tag == "TEXTWORD"
            return made if known else made or word.tag in ("V", "BE", "N", "OPEN")
    return False


def _participle(
    verb: Reading, noun: Reading, attribute: Reading | None, word: str, tag: str, heads: set[str], following: set[str]
) -> Reading:  # fmt: skip
    """ "a sleeping cat" describes, "a cat sleeping" tells, "a painting" is a thing."""
    modifying = tag in ("DET", "POSS", "NUM", "ADJ", "ATTR", "OTHER", "OF") and bool(heads)
    if modifying:
        return attribute or (
            Reading("ATTR", verb.attribute, attribute="state") if verb.attribute else Reading("ADJ", word)
        )
    if (
        verb.form == "ing"
        and tag in ("DET", "ADJ", "ATTR", "POSS")
        and not heads
        and not following & {"DET", "NUM", "PRON"}
    ):
        return noun
    if attribute is not None and attribute.tag == "ATTR" and not (tag == "V" and "DET" in following):
        return attribute
    if tag in ("STOP", "COMMA", "AND", "P") and verb.form == "ed" and not verb.value and heads:
        return Reading("ADJ", word)
    return verb


def _one_group(before: Sequence[Word]) -> bool:
    """Whether the plural before stands in "a bunch of ..." or "a tray of ...", which takes a singular verb."""
    for word in reversed(before):
        if word.tag == "DET":
            return " of" in word.raw.lower()
        if word.tag == "OF":
            return True
        if word.tag not in ("N", "OPEN", "ATTR", "ADJ", "ADV"):
            return False
    return False


def _with_several(before: Sequence[Word]) -> bool:
    """Whether the plural before only belongs to one thing: "an elephant with large tusks walks"."""
    for place in range(len(before) - 1, 0, -1):
        made = before[place].tag == "V" and before[place].reading.form == "ed"
        apart = before[place].tag == "V" and before[place - 1].tag == "WHICH"  # "a bowl that holds oranges sits"
        if before[place].tag in ("P", "WITHOUT") or made or apart:
            held = before[max(place - 1 - apart, 0)]
            return held.tag in ("N", "OPEN") and not held.reading.plural
        if before[place].tag not in ("N", "OPEN", "ATTR", "ADJ", "ADV", "DET", "NUM", "AND", "COMMA"):
            return False
    return False


def _said_apart(before: Sequence[Word]) -> bool:
    """Whether a clause about several stands between them and what they do: "people that sit on the bench wear"."""
    for place in range(len(before) - 1, 0, -1):
        if before[place].tag == "WHICH":
            return before[place - 1].tag in ("N", "OPEN") and before[place - 1].reading.plural
        if before[place].tag in ("STOP", "COMMA", "AND", "BUT"):
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
