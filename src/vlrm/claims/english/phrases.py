"""Noun phrases of tagged English: determiner, number, attributes, compound head, possessor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.english.tagger import Word

_STARTS = frozenset({"DET", "NUM", "ATTR", "ADJ", "N", "OPEN", "SCENE", "ABSTRACT", "OTHER", "APPROX"})
_HEADS = frozenset({"N", "OPEN", "SCENE", "ABSTRACT"})


@dataclass
class Phrase:
    """A noun phrase; ``noun`` is None where the head is a picture's part, an abstraction, or missing ("one")."""

    noun: str | None
    head: Word
    start: int
    end: int
    determiner: str = ""
    number: Word | None = None
    whole: Word | None = None
    """The second number of "two of the three apples"."""
    inexact: bool = False
    kind: str = ""
    plural: bool = False
    scene: bool = False
    other: bool = False
    """"other", "more": besides those spoken of."""
    attributes: list[tuple[str, str, Word]] = field(default_factory=list)
    some: bool = False
    """Some of those there are: "two of the people"."""
    anaphor: bool = False
    """"one", "the other", "two of them": an object of the noun spoken of before."""


def read_phrase(words: Sequence[Word], place: int) -> tuple[Phrase, int] | None:  # noqa: PLR0912, PLR0915 - one branch a class
    """The noun phrase that starts at ``place`` and the place after it; None when none starts there."""
    if place >= len(words) or words[place].tag not in _STARTS:
        return None
    first, size = place, len(words)
    determiner, inexact = "", False
    numbers: list[Word] = []
    attributes: list[tuple[str, str, Word]] = []
    other = some = False
    while place < size:
        word = words[place]
        tag = word.tag
        following = words[place + 1].tag if place + 1 < size else "STOP"
        if tag == "DET" and numbers and word.raw.lower().endswith(" of"):
            inexact = True  # "two slices of pizza": the slices are counted
        elif tag == "DET":
            if attributes or (numbers and words[place - 1].tag not in ("OF", "DET")):
                break
            determiner = word.reading.value
        elif tag == "APPROX":
            inexact = True
        elif numbers and ranges(words, place):
            numbers, inexact = [word] if tag == "NUM" else [], True
        elif tag == "NUM":
            if numbers and words[place - 1].tag not in ("DET", "OF"):
                break
            numbers.append(word)
        elif tag == "OTHER":
            other = True
        elif tag == "ATTR":
            if word.reading.number == 1:
                break
            attributes.append((word.reading.attribute, word.reading.value, word))
        elif tag in ("AND", "COMMA"):
            if not _joins_attributes(words, place):
                break
        elif tag == "OF":
            if words[place - 1].tag not in ("NUM", "DET", "OTHER"):
                break
            some = bool(numbers)
        elif tag == "ADV":
            if following not in ("ATTR", "ADJ") or words[place].raw.lower() in ("here", "again"):
                break
        elif tag in _HEADS:
            phrase, after = _headed(words, first, place, determiner, numbers, inexact, attributes)
            phrase.other, phrase.some = other, some
            return phrase, after
        elif tag != "ADJ":
            break
        place += 1
    alone = words[place - 1].raw.lower() == "another" and words[place].tag in ("BE", "V") if place < size else False
    bare = _bare(words, first, place, determiner, numbers, attributes, inexact) if alone or numbers or other else None
    if bare is not None:
        bare[0].other = other or alone
    return bare


def ranges(words: Sequence[Word], place: int) -> bool:
    """Whether the number before is the lower one of a range: "two or three", "2 to 3", "2-3"."""
    word, before = words[place], words[place - 1]
    if before.tag != "NUM":
        return False
    if word.tag == "NUM":
        return word.start - before.end == 1
    ahead = words[place + 1] if place + 1 < len(words) else None
    return word.raw.strip().lower() in ("or", "to", "-", "–", "—") and ahead is not None and ahead.tag == "NUM"


def _joins_attributes(words: Sequence[Word], place: int) -> bool:
    """Whether a comma or "and" stands between two modifiers of one noun: "black and white dog", "a small, red ball"."""
    if place == 0 or words[place - 1].tag not in ("ATTR", "ADJ"):
        return False
    ahead = place + 1
    while ahead < len(words) and words[ahead].tag in ("ATTR", "ADJ", "AND", "COMMA", "ADV"):
        ahead += 1
    return ahead > place + 1 and ahead < len(words) and words[ahead].tag in ("N", "OPEN")


def _headed(
    words: Sequence[Word], first: int, place: int, determiner: str, numbers: list[Word], inexact: bool,
    attributes: list[tuple[str, str, Word]],
) -> tuple[Phrase, int]:  # fmt: skip
    last = place
    while (
        last + 1 < len(words) and words[last + 1].tag in ("N", "OPEN", "SCENE", "ABSTRACT") and _contiguous(words, last)
    ):
        last += 1
    head = words[last]
    reading = head.reading
    # What stands before the last noun only says which sort it is: "train station" claims no train.
    named = reading.tag in ("N", "OPEN")
    noun: str | None = reading.value if named else None
    if reading.tag == "OPEN":
        modifiers = [words[i].raw.lower() for i in range(place, last) if words[i].tag in ("N", "OPEN")]
        noun = " ".join([*modifiers, reading.value])
    phrase = Phrase(
        noun=noun, head=head, start=words[first].start, end=head.end, determiner=determiner,
        number=numbers[0] if numbers else None, whole=numbers[1] if len(numbers) > 1 else None, inexact=inexact,
        kind=reading.kind, plural=reading.plural, scene=reading.tag == "SCENE", attributes=attributes,
        anaphor=bool(attributes) and head.raw.lower() in ("one", "ones"),
    )  # fmt: skip
    return phrase, last + 1


def _contiguous(words: Sequence[Word], place: int) -> bool:
    """Nouns run on without a mark between them; "a dog the size of..." does not."""
    return words[place + 1].start - words[place].end <= 1


def _bare(
    words: Sequence[Word], first: int, place: int, determiner: str, numbers: list[Word],
    attributes: list[tuple[str, str, Word]], inexact: bool = False,
) -> tuple[Phrase, int] | None:  # fmt: skip
    """ "one is red", "two of them", "the other": objects spoken of before."""
    if attributes:
        return None
    if place < len(words) and words[place].tag == "PRON" and words[place - 1].tag == "OF":
        place += 1
    elif place < len(words) and words[place].tag == "WHICH" and words[place - 1].tag == "OF":
        place += 1
    while words[place - 1].tag in ("OF", "ADV") and place > first + 1:
        place -= 1
    head = words[place - 1]
    return Phrase(
        None, head, words[first].start, head.end, determiner, number=numbers[0] if numbers else None, anaphor=True,
        inexact=inexact, plural=bool(numbers and numbers[0].reading.number != 1),
    ), place  # fmt: skip
