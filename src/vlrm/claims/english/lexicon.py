"""The words of English about photos, from the tables beside this file, with their inflected surfaces."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from vlrm.claims.vocabulary import NUMBER_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.vocabulary import Vocabulary

TABLES = Path(__file__).parent
_VOWELS = "aeiou"


class Reading(NamedTuple):
    """One meaning of a surface: ``tag`` is its word class, ``value`` the canonical content."""

    tag: str
    value: str = ""
    plural: bool = False
    number: int = -1
    kind: str = ""
    """For a noun: which kind of the object it names ("puppy" of a dog)."""
    form: str = ""
    """For a verb: base, s, ing or ed."""
    attribute: str = ""
    """For an attribute value: which attribute; for a verb: the state its subject is in."""


def _table(name: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
    found: dict[str, Any] = yaml.load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader, and our own file
    return found


class Lexicon:
    """Every surface with its readings, the longest surface that begins with a word, and the values edits may use.

    ``labels``: nouns that are objects beside those of the tables, by no other name (but in lower case, and with spaces
    for underscores), and exchanged for each other.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.objects = _table("objects") | {label: {"same": [_spelt(label)], "kinds": []} for label in labels}
        self.attributes = _table("attributes")
        self.relations = _table("relations")
        self.labels = tuple(labels)
        self.groups: list[list[str]] = [*_table("groups").values(), list(labels)]
        self._plurals: dict[str, str] = _table("plurals")
        self._singulars = {many: one for one, many in self._plurals.items()}
        self.words = {name: frozenset(words) for name, words in _table("words").items()}
        self.value_of = {
            (attribute, word): value
            for attribute, table in self.attributes.items()
            for value, words in table["words"].items()
            for word in words
        }

    def plural(self, noun: str) -> str:
        """The plural of a noun or of a phrase whose last word is one."""
        before, _, last = noun.rpartition(" ")
        if noun in self._plurals:
            return self._plurals[noun]
        if last in self._plurals:
            return f"{before} {self._plurals[last]}".strip()
        if last.endswith("man") and last != "human":
            return noun[:-2] + "en"
        if last.endswith(("s", "x", "ch", "sh", "z")):
            return noun + "es"
        if last.endswith("y") and last[-2:-1] not in _VOWELS:
            return noun[:-1] + "ies"
        return noun + "s"

    def singular(self, noun: str) -> tuple[str, bool]:
        """The singular of a word, and whether the word was a plural."""
        one = self._singulars.get(noun)
        if one is not None:
            return one, one != noun or noun in ("pants", "jeans", "shorts", "glasses", "sunglasses", "stairs")
        if noun.endswith("men") and len(noun) > 4:
            return noun[:-2] + "an", True
        if noun.endswith("ies") and len(noun) > 4:
            return noun[:-3] + "y", True
        if noun.endswith(("ches", "shes", "xes", "sses", "zzes")):
            return noun[:-2], True
        if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and len(noun) > 3:
            return noun[:-1], True
        return noun, False

    @cached_property
    def table(self) -> dict[tuple[str, ...], tuple[Reading, ...]]:
        """Lower-case token runs and their readings."""
        found: dict[tuple[str, ...], list[Reading]] = {}

        def add(surface: str, reading: Reading) -> None:
            readings = found.setdefault(tuple(surface.replace("-", " ").split()), [])
            if reading not in readings:
                readings.append(reading)

        self._add_words(add)
        self._add_nouns(add)
        self._add_attributes(add)
        self._add_verbs(add)
        for relation, entry in self.relations.items():
            for surface in entry["words"]:
                add(surface, Reading("P", relation))
        for label in self.labels:  # a "circle" is an object where a detector reports circles
            for surface in (_spelt(label), self.plural(_spelt(label))):
                words = tuple(surface.replace("-", " ").split())
                found[words] = [one for one in found[words] if one.tag not in ("SCENE", "ABSTRACT")]
        return {words: tuple(readings) for words, readings in found.items()}

    @cached_property
    def longest(self) -> dict[str, int]:
        """For a first token, how many tokens the longest entry has."""
        found: dict[str, int] = {}
        for words in self.table:
            found[words[0]] = max(found.get(words[0], 0), len(words))
        return found

    def _add_words(self, add: Any) -> None:
        tags = {
            "a": "DET", "any": "DET", "the": "DET", "poss": "DET", "scene": "SCENE", "abstract": "ABSTRACT",
            "adverbs": "ADV", "adjectives": "ADJ", "pron": "PRON", "be": "BE", "no": "NEG", "not": "NEG", "none": "NEG",
            "absence": "ADV",
        }  # fmt: skip
        for name, words in self.words.items():
            if name in ("worn", "body", "substances", "ing_nouns", "presence"):
                continue
            tag = tags.get(name, name.upper())
            for word in sorted(words):
                add(word, Reading(tag, name if tag in ("DET", "NEG") else word))
                if name in ("scene", "abstract") and not word.endswith("s"):
                    add(self.plural(word), Reading(tag, word, plural=True))
        for number, word in enumerate(NUMBER_WORDS):
            if number:
                add(word, Reading("NUM", word, number=number))
        for word, number in (("a couple of", 2), ("a pair of", 2), ("a dozen", 12), ("a single", 1), ("a lone", 1),
                             ("a trio of", 3), ("a half dozen", 6), ("only one", 1), ("just one", 1)):  # fmt: skip
            add(word, Reading("NUM", word, number=number))
        add("a pair of scissors", Reading("N", "scissors"))

    def _add_nouns(self, add: Any) -> None:
        for noun, entry in self.objects.items():
            for surface in entry["same"]:
                self._add_noun(add, surface, Reading("N", noun))
            for surface in entry["kinds"]:
                self._add_noun(add, surface, Reading("N", noun, kind=surface))
        for surface in _table("doubles")["other_things"]:
            self._add_noun(add, surface, Reading("OPEN", surface))

    def _add_noun(self, add: Any, surface: str, reading: Reading) -> None:
        many = self.plural(surface)
        add(surface, reading._replace(plural=surface in ("people", "cattle", "folk")))
        if many != surface:
            add(many, reading._replace(plural=True))

    def _add_attributes(self, add: Any) -> None:
        for attribute, table in self.attributes.items():
            for value, surfaces in table["words"].items():
                for surface in surfaces:
                    after = surface.startswith(("with ", "made of "))
                    add(surface, Reading("ATTR", value, attribute=attribute, number=int(after)))
                    if surface in self.words["substances"]:
                        add(surface, Reading("OPEN", surface))

    def _add_verbs(self, add: Any) -> None:
        verbs = _table("verbs")
        irregular: dict[str, list[str]] = verbs["irregular"]
        states = {verb: state for state, known in verbs["states"].items() for verb in known}
        for verb in verbs["have"]:
            for form, surface in _forms(verb, irregular):
                add(surface, Reading("V", "with", form=form))
        for word in ("has", "having", "had"):
            add(word, Reading("V", "with", form="s"))
        for relation, known in verbs["transitive"].items():
            for verb in known:
                for form, surface in _forms(verb, irregular):
                    add(surface, Reading("V", relation, form=form, attribute=states.get(verb, "")))
        for verb in {*verbs["intransitive"], *states}:
            for form, surface in _forms(verb, irregular):
                add(surface, Reading("V", "", form=form, attribute=states.get(verb, "")))
        for relation, surfaces in verbs["passive"].items():
            for surface in surfaces:
                add(surface, Reading("V", relation, form="ed"))


def _spelt(label: str) -> str:
    """How texts spell what a detector calls "Traffic_Cone"."""
    return label.lower().replace("_", " ")


def _forms(verb: str, irregular: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(form, surface) of a verb, of which the first word is inflected."""
    first, _, rest = verb.partition(" ")
    rest = f" {rest}" if rest else ""
    if first.endswith("e") and not first.endswith(("ee", "ye", "oe")):
        stem, past = first[:-1], first + "d"
    else:
        double = len(first) > 2 and first[-1] in "bdgmnpt" and first[-2] in _VOWELS and first[-3] not in _VOWELS
        double = double and first not in ("open", "gather", "listen", "visit", "wander", "exit")
        stem = first + first[-1] if double else first
        past = stem[:-1] + "ied" if first.endswith("y") and first[-2] not in _VOWELS else stem + "ed"
    ing = first[:-2] + "ying" if first.endswith("ie") else stem + "ing"
    third = first + "es" if first.endswith(("s", "sh", "ch", "x", "o")) else first + "s"
    third = first[:-1] + "ies" if first.endswith("y") and first[-2] not in _VOWELS else third
    forms = [("base", first), ("s", third), ("ing", ing), ("ed", past)]
    forms += [("ed", word) for word in irregular.get(first, ())]
    return [(form, surface + rest) for form, surface in forms]


LEXICON = Lexicon()
"""Read once a process."""


@cache
def lexicon_of(vocabulary: Vocabulary) -> Lexicon:
    """The words to read a text with: ours, and those of the vocabulary's nouns that ours have no noun for."""
    labels = []
    for noun in sorted(vocabulary.nouns):
        known = LEXICON.table.get(tuple(_spelt(noun).replace("-", " ").split()), ())
        if not any(reading.tag == "N" for reading in known):
            labels.append(noun)
    return Lexicon(labels) if labels else LEXICON
