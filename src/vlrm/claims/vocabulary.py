"""The words claims are read from: nouns, attribute values, numbers, relations, and their inflected
surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from vlrm.scenes.world import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Word(NamedTuple):
    """What a run of tokens means: ``kind`` is the lexical class, ``value`` its canonical content."""

    kind: str
    value: str = ""
    plural: bool = False
    number: int = -1
    """For numbers: the number. For attributes: 1 when the words follow the noun ("with stripes")."""


YES = frozenset({"yes", "yeah", "yep", "correct", "indeed", "true", "sure", "certainly", "definitely"})
NO = frozenset({"no", "nope", "nah", "false", "incorrect"})
"""Words that answer a question by themselves, with :data:`YES`."""
NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
RELATION_SURFACES: dict[str, tuple[str, ...]] = {
    "above": ("above", "over", "on top of", "atop", "higher than", "higher up than"),
    "below": ("below", "under", "beneath", "underneath", "lower than"),
}
_SIDE_OF = (
    "{} of", "to the {} of", "at the {} of", "on the {} of", "on the {} side of", "at the {} side of",
    "to the {} side of", "on the {} hand side of", "to the {} hand side of", "in the {} of", "the {} of",
)  # fmt: skip
_SIDE = ("{}", "to the {}", "on the {}", "at the {}", "on the {} side", "to the {} side",
"on the {} hand side",
         "the {} side", "in the {}")  # fmt: skip
_CLASSES: dict[str, tuple[str, ...]] = {
    "NEG:no": ("no", "neither", "not a single", "zero of the"),
    "NEG:not": ("not", "never", "cannot", "nor", "hardly"),
    "NEG:none": ("none", "none of"),
    "NEG:without": ("without", "lacks", "lacking", "rather than", "instead of"),
    "COP": (
        "is", "are", "was", "were", "be", "being", "looks", "look", "appears", "appear", "seems",
        "seem", "has",
        "have", "having", "to be", "appears to be", "seems to be", "appear to be", "seem to be",
        "might be", "may be",
        "could be",
    ),
    "HEDGE": (
        "looks like", "look like", "think", "believe", "guess", "suppose", "might", "may", "maybe", "perhaps",
        "possibly", "probably", "likely", "could", "would say", "not sure", "not certain", "unsure",
        "as far as",
    ),
    "DET:a": ("a", "an", "another", "some", "several", "many", "few", "a few", "multiple", "various",
              "a group of",
              "a set of", "a bunch of", "a number of", "a lot of", "lots of", "one more", "a kind of",
              "a sort of"),
    "DET:any": ("any",),
    "DET:the": ("the", "this", "that", "these", "those", "both", "all", "each", "every", "some of the",
                "the only",
                "all of the", "both of the"),
    "PRON": ("it", "they", "its", "their", "them", "this one", "that one"),
    "AND": ("and", "as well as", "plus", "along with", "together with", "&"),
    "OR": ("or",),
    "BUT": ("but", "while", "whereas", "however", "though", "although", "just", "because", "yet", "and there",
            "yes", "so"),
    "THERE": ("there", "here"),
    "SEE": ("see", "spot", "notice", "observe", "find", "make out", "count", "shows", "show",
            "contains", "contain",
            "depicts", "features", "includes", "include", "displays"),
    "SCENE": ("image", "picture", "photo", "photograph", "scene", "table", "tabletop", "background", "view",
              "foreground", "middle", "center", "centre", "corner", "frame", "ground", "surface", "top",
              "bottom"),
    "ATTRNOUN:colour": ("colour", "color", "colours", "colors", "coloured", "colored", "hue"),
    "ATTRNOUN:size": ("size", "sizes", "sized"),
    "ATTRNOUN:pattern": ("pattern", "patterns", "patterned", "texture"),
    "WHICH": ("which", "that is", "that are", "who"),
    "OF": ("of",),
    "ON": ("on", "onto", "across"),
    "MOD": ("light", "dark", "bright", "deep", "pale", "very", "really", "quite", "rather", "fairly",
            "single",
            "solid", "nice", "lone", "exactly", "only", "about", "visible", "clearly", "mostly", "mainly"),
    "TEXTVERB": ("labelled", "labeled", "says", "saying", "say", "reads", "reading", "read", "marked",
                 "inscribed",
                 "spells", "spelling", "stating", "states", "bears", "bearing", "carries", "carrying",
                 "that says"),
    "TEXTNOUN": ("label", "tag", "text", "word", "words", "letter", "letters", "writing", "inscription",
                 "caption",
                 "number", "sticker", "sign", "labels", "tags", "characters", "name"),
    "TEXTWORD": ("written", "printed", "shown", "as", "with"),
    "WORD": ("over there", "left over", "all of", "something", "nothing", "anything"),
}  # fmt: skip


def plural(noun: str) -> str:
    """English plural of the nouns of this vocabulary."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Canonical nouns and attribute values with the words people use for them (the first is the usual
    one)."""

    nouns: Mapping[str, tuple[str, ...]]
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]]
    labels: tuple[str, ...] = ()
    things: tuple[str, ...] = ("object", "thing", "item", "shape", "figure")
    unsaid: frozenset[str] = field(default_factory=frozenset)
    """Values that people seldom say, which edits therefore avoid."""
    english: bool = False
    """Texts are read as free English about photos (:mod:`vlrm.claims.english`), not as answers about scenes."""

    def values(self, attribute: str) -> tuple[str, ...]:
        return tuple(self.attributes[attribute])

    @cached_property
    def _index(self) -> tuple[dict[tuple[str, ...], Word], dict[str, int]]:  # noqa: PLR0912 - one loop a class
        table: dict[tuple[str, ...], Word] = {}

        def add(surface: str, word: Word) -> None:
            table[tuple(surface.replace("-", " ").split())] = word

        for name, surfaces in _CLASSES.items():
            kind, _, value = name.partition(":")
            for surface in surfaces:
                add(surface, Word(kind, value))
        for number, surface in enumerate(NUMBER_WORDS):
            add(surface, Word("NUM", surface, number=number))
        for surface, number in (
            ("a couple of", 2),
            ("a pair of", 2),
            ("a couple", 2),
            ("a dozen", 12),
            ("a single", 1),
        ):
            add(surface, Word("NUM", surface, number=number))
        for thing in self.things:
            add(thing, Word("THING", thing))
            add(plural(thing), Word("THING", thing, plural=True))
        add("one of", Word("ONEOF", "one"))
        add("ones", Word("ONE", "one", plural=True))
        for side in ("left", "right"):
            for surface in _SIDE:
                add(surface.format(side), Word("SIDE", f"{side} of"))
            for surface in _SIDE_OF:
                add(surface.format(side), Word("REL", f"{side} of"))
            for owner in ("its", "their"):
                for before in ("to", "on"):
                    add(f"{before} {owner} {side}", Word("SIDEOF", f"{side} of"))
        for relation, surfaces in RELATION_SURFACES.items():
            for surface in surfaces:
                add(surface, Word("REL", relation))
        for attribute, values in self.attributes.items():
            for value, surfaces in values.items():
                for surface in surfaces:
                    after = surface.startswith(("with ", "has ", "covered "))
                    add(surface, Word("ATTR", f"{attribute}={value}", number=int(after)))
        for noun, surfaces in self.nouns.items():
            for surface in surfaces:
                add(surface, Word("NOUN", noun))
                add(plural(surface), Word("NOUN", noun, plural=True))
                for shaped in ("{} shape", "{} shaped object", "{} shaped thing"):
                    add(shaped.format(surface), Word("NOUN", noun))
                    add(plural(shaped.format(surface)), Word("NOUN", noun, plural=True))
        longest: dict[str, int] = {}
        for words in table:
            longest[words[0]] = max(longest.get(words[0], 0), len(words))
        return table, longest

    @property
    def table(self) -> dict[tuple[str, ...], Word]:
        """Lower-case token runs and what they mean; the longest match wins."""
        return self._index[0]

    @property
    def longest(self) -> dict[str, int]:
        """For a first token, how many tokens the longest entry has."""
        return self._index[1]

    def noun_surfaces(self, noun: str, many: bool) -> tuple[str, ...]:
        return tuple(plural(s) if many else s for s in self.nouns[noun])


_COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
EMBEDDED = Vocabulary(
    nouns={
        "ball": ("ball", "sphere"),
        "box": ("box", "cube"),
        "cone": ("cone", "pyramid"),
        "star": ("star",),
        "heart": ("heart",),
        "ring": ("ring", "hoop"),
        "cross": ("cross", "plus sign"),
        "moon": ("moon", "crescent", "crescent moon"),
    },
    attributes={
        "colour": {c: (c, "violet") if c == "purple" else (c, f"{c}ish") for c in _COLOURS},
        "size": {
            "small": ("small", "little", "tiny", "small-sized"),
            "medium": ("medium", "medium-sized", "mid-sized", "middle-sized", "average-sized"),
            "large": ("large", "big", "huge", "large-sized"),
        },
        "pattern": {
            "plain": ("plain", "unpatterned", "plain-coloured", "without a pattern", "without any pattern"),
            "striped": ("striped", "stripy", "with stripes", "with a striped pattern", "stripes"),
            "dotted": ("dotted", "spotted", "with dots", "with a dotted pattern", "dots", "with spots",
                       "spots",
                       "polka-dotted", "polka-dot", "with polka dots", "covered in dots"),
        },
    },
    labels=LABELS,
    unsaid=frozenset({"plain"}),
)  # fmt: skip
"""The words of the embedded world."""
