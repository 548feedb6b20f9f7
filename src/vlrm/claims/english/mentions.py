"""What a noun phrase says where it stands: mentioned, counted, denied, identified, and part of a relation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Entity
from vlrm.claims.english.clauses import SUPPORTS
from vlrm.claims.english.meaning import meant_by
from vlrm.claims.english.phrases import Phrase, read_phrase
from vlrm.claims.english.printed import Printed
from vlrm.claims.english.state import Link

if TYPE_CHECKING:
    from vlrm.claims.english.tagger import Word

_KEEPS = frozenset({"with", "wearing", "holding", "eating", "covered with", "filled with", "topped with", "carrying"})
"""Relations whose object may be a list with commas."""

_MANY = (
    "many",
    "much",
    "a lot of",
    "all",
    "every",
    "enough",
    "too many",
    "too much",
    "both",
    "several",
    "any more than",
)
_ANYWHERE = frozenset({
    "around", "visible", "present", "in sight", "in view", "nearby", "anywhere", "seen", "in the scene", "in the image",
    "in the picture", "in the photo", "in the frame", "in this image", "in this picture", "shown", "pictured",
})  # fmt: skip


class Mentions(Printed):
    """The part of a reading that takes in noun phrases; :class:`vlrm.claims.english.reader.Reader` feeds it."""

    def _mention(self, said: Phrase, place: int, after: int) -> None:
        joined, comma = self.joined, self.comma
        self.joined = self.comma = False
        follows = self._tag(after)
        if self.likened:
            # "shaped like a fish": there is no fish
            self.likened = False
            return
        placed = self.link is not None and self.link.relation in SUPPORTS
        bare = said.number is None and not said.attributes
        if said.scene or (said.noun is None and (not said.anaphor or (placed and bare))):
            self._scenery(said, follows)  # so is "in the other" of "a cup in one hand and a phone in the other"
            return
        possessor = follows == "POSS"
        shares_verb = self.link is not None and self.link.used and joined and not (comma or self.verb or self.there)
        both = shares_verb and self._agree(after)
        if (joined or comma) and self._starts_clause(after, said.plural) and (both or not shares_verb):
            together = both or (joined and self.last in self.heads and not (self.verb or self.there))
            if not together and (self.heads or self.there or self.verb):
                self.inverted = []  # "on the table there is a cup, and a dog lies under it"
            self._end_clause(keep_group=together)
        elif self.link is not None and self.link.used and not self._goes_on(joined, comma, after):
            self.link = None
        elif self.link is not None and self.link.used and self.link.by_no and (said.determiner or said.number):
            self.link = replace(self.link, denied=False, by_no=False)  # "no hat and a red shirt"
        none_of, self.none_of = self.none_of and self._tag(place - 1) == "NEG", False
        if none_of:
            self.negation, self.of_none = "not", True  # "none of the chairs are red": they are there
        elif self._denied(joined or comma):
            self._deny(said, joined or comma)
            return
        entity = self._resolve(said)
        self.one_of_several(self.words[place], entity)
        if self._is_predicate():
            self._identify(entity, said)
            return
        self._claim_mention(entity, said)
        if possessor:
            return
        if self._tag(place - 1) == "OF" and self._tag(place - 2) in ("N", "OPEN") and self.last is not None:
            return  # "a tray of donuts": what goes on to be said is of the tray
        self._take_part(entity, said, joined or comma)

    def _denies_link(self, word: Word, place: int) -> bool:
        """Whether "no" denies a relation that waits for its object ("has no hat", "with a hat and no shoes").

        Or whether "not" takes out what the relation or the sentence might have been about: "a dog, not a cat".
        """
        if word.reading.value == "not" and self.comma and read_phrase(self.words, place + 1) is not None:
            if self.link is not None and self.link.used:
                self.link = replace(self.link, denied=True, list_of=True)
            else:
                self.likened = True
            return True
        if word.reading.value != "no" or self.link is None:
            return False
        if not self.link.used and self._absent(place):
            self.link = None  # "a wall, with no one around": nobody is there
            return False
        listed = self.joined or self.comma or word.raw.lower() == "nor"
        if self.link.used and not (listed and self.link.relation in _KEEPS):
            return False
        self.link = replace(self.link, denied=True, by_no=True)
        self.joined = self.link.used and listed
        return True

    def _absent(self, place: int) -> bool:
        """Whether what "no" denies is said not to be there at all: "with no cars in sight"."""
        found, after = read_phrase(self.words, place + 1), place + 1
        while found is not None:
            after = found[1]
            joined = self._tag(after) in ("OR", "AND")
            found = read_phrase(self.words, after + 1) if joined else None
        return after < len(self.words) and self.words[after].raw.lower() in _ANYWHERE

    def _denies_many(self, word: Word, place: int) -> bool:
        """Whether "not" is about how many there are: "there aren't many people"."""
        ahead = self.words[place + 1].raw.lower() if place + 1 < len(self.words) else ""
        return word.reading.value == "not" and ahead.startswith(_MANY)

    def _lacks(self, word: Word, place: int) -> bool:
        """ "The image lacks a dog", "the scene is devoid of people"."""
        picture = not (self.heads or self.there) and self._tag(place - 1) in ("SCENE", "BE")
        return picture and word.raw.lower() in ("lacks", "lacking", "devoid of", "free of")

    def _agree(self, after: int) -> bool:
        """Whether a plural verb has two singular subjects: "a boy in a hat and his father are ..."."""
        if self.link is None or len(self.link.subjects) != 1 or self.link.subjects[0].plural:
            return False
        verb = self.words[min(after + (self._tag(after) == "ADV"), len(self.words) - 1)]
        return verb.raw.lower() in ("are", "were", "have") or verb.reading.form == "base"

    def _goes_on(self, joined: bool, comma: bool, after: int) -> bool:
        """Whether a phrase is one more object of the relation before ("with a hat and a scarf")."""
        if self.link is None or not (joined or comma):
            return False
        if self._tag(after) == "P" and self.words[after].reading.value == self.link.relation:
            return False  # "a woman with an umbrella and a man with a dog"
        if self.link.relation in _KEEPS or self.link.list_of:
            return True
        aside = self._tag(after) == "ADV" and self.words[after].raw.lower().startswith(
            ("to the ", "on the ", "in the ")
        )
        return joined and not comma and not aside and self._tag(after) not in ("P", "V")

    def _starts_clause(self, after: int, plural: bool) -> bool:
        """Whether a finite verb or a form of "be" follows the phrase, so that a clause begins with it.

        Not with the plural of "a table with apples and bananas sits there".
        """
        if self._tag(after) == "ADV":
            after += 1
        if self._tag(after) == "P":  # "and the catcher behind him is wearing a mask"
            place = read_phrase(self.words, after + 1)
            after = place[1] if place is not None else after + 1 + (self._tag(after + 1) == "PRON")
        if self._tag(after) in ("BE", "AUX"):
            return True
        return self._tag(after) == "V" and self.words[after].reading.form in (("base",) if plural else ("s", "base"))

    def _scenery(self, said: Phrase, follows: str) -> None:
        """ "the side", "the image": no object, and nothing is related to it."""
        if follows == "OF" and self.link is not None:
            return
        if self.link is not None:
            self.link = None
        elif not self.verb and not self.heads:
            self.subjects = []

    def _denied(self, listed: bool) -> bool:
        """Whether the phrase is of what is said not to be there; ``listed`` after a comma, "and" or "or"."""
        if not self.negation or not (self.link is None or self.link.used):
            return False
        if self.negation != "not" or self.seen or self.there:
            return True
        if listed and self.last is not None and self.last.denied:
            return True
        return not self.subjects and self.link is None and not self.heads

    def _deny(self, said: Phrase, joined: bool) -> None:
        entity = self._entity(said)
        entity.denied = True
        if said.other:
            entity.noun = None  # "no other people": there are some
        if said.number is not None and not said.inexact:
            self.add_count(entity, said, said.number, polarity=False)
        else:
            self.add("existence", entity, said.start, said.end, (said.head.start, said.head.end), polarity=False)
        verb_of = self.verb and self.subjects and self.link is None
        if not verb_of:
            self.heads = [*self.heads, entity] if joined else [entity]
            self.last = entity

    def _entity(self, said: Phrase) -> Entity:
        attributes: dict[str, str] = {"kind": said.kind} if said.kind else {}
        for name, value, _ in said.attributes:
            attributes.setdefault(name, value)
        several = said.number is not None and said.number.reading.number != 1  # "ten sheep"
        return Entity(said.noun, attributes, plural=said.plural or several, span=(said.start, said.end))

    def _resolve(self, said: Phrase) -> Entity:
        """The object a phrase means: one spoken of before where it is definite or "one of them", else a new one."""
        said.noun, said.kind = meant_by(said, self.entities, self.link)
        if said.anaphor:
            known = self.contrasted(said) if said.attributes else self.antecedent(said.other)
            entity = self._entity(said)
            if known is not None:
                entity.noun = known.noun
                entity.attributes.update({k: v for k, v in known.attributes.items() if k == "kind"})
            return entity
        if said.determiner == "the" or self.questioned(said.noun):
            for entity in reversed(self.entities):
                same_kind = not said.kind or entity.attributes.get("kind", said.kind) == said.kind
                wanted = {name: value for name, value, _ in said.attributes}
                if not entity.denied and same_kind and said.noun is not None and entity.fits(said.noun, wanted):
                    entity.span = (said.start, said.end)
                    return entity
        entity = self._entity(said)
        entity.attributes = {"kind": said.kind} if said.kind else {}
        self.entities.append(entity)
        return entity

    def _claim_mention(self, entity: Entity, said: Phrase) -> None:
        counts = said.number is not None and not said.inexact and said.number.reading.number >= 0
        if said.whole is not None:
            whole = Entity(entity.noun, {k: v for k, v in entity.attributes.items() if k == "kind"}, plural=True)
            self.add_count(whole, said, said.whole)
        if counts and said.number is not None and not (said.anaphor and said.number.reading.number == 1):
            before = [one for one in self.drafts if one.subject.noun == entity.noun]
            draft = self.add_count(self._entity(said) if not said.anaphor else entity, said, said.number)
            fewer = any(one.count is not None and one.count > said.number.reading.number for one in before)
            again = fewer and not (self.there or said.kind)  # "two cats lie there. One cat is ..."
            draft.part = said.some or again or (said.anaphor and bool(before))
            self.counting = draft if said.some or again or said.anaphor else None
            for name, value, _ in said.attributes:
                entity.attributes.setdefault(name, value)
            return
        if self.link is not None and self.link.denied and said.determiner != "the":
            # "without a hat": of a hat nothing else is said
            for name, value, _ in said.attributes:
                entity.attributes.setdefault(name, value)
            return
        if said.noun is not None:
            self.add("existence", entity, said.start, said.end, (said.head.start, said.head.end))
        for name, value, word in said.attributes:
            entity.attributes.setdefault(name, value)
            self.describe(entity, name, value, word, said.start, said.end)

    def _is_predicate(self) -> bool:
        return bool(self.copula and self.subjects and self.link is None and not self.there)

    def _identify(self, entity: Entity, said: Phrase) -> None:
        """ "It is a dog", "the animal is a brown dog": what the subject is."""
        subject = self.subjects[0]
        self.copula = False
        if self.negation:
            return
        if (subject.asked and subject.noun == entity.noun) or (subject.noun == said.noun):
            if entity is not subject and entity in self.entities:
                self.entities.remove(entity)
            entity = subject
        elif said.noun is not None:
            self.add("existence", entity, said.start, said.end, (said.head.start, said.head.end))
        for name, value, word in said.attributes:
            entity.attributes.setdefault(name, value)
            self.describe(entity, name, value, word, said.start, said.end)
        self.last = entity
        if subject.noun is None or subject in self.entities:
            self.subjects = [entity]

    def _take_part(self, entity: Entity, said: Phrase, joined: bool) -> None:
        """Connect a mention with the relation, the inverted place, or the list it stands in."""
        if self.link is not None and self.link.subjects:
            self.relate(self.link, entity, said.end)
            self.objects.append(entity)
            self.last = entity
            return
        if self.link is not None and not self.link.subjects:
            self.inverted = [*self.inverted, (self.link, entity)]  # "beside the bed, on a table, is a lamp"
            self.link = None
            self.last = entity
            return
        for link, other in self.inverted:
            self.relate(Link(link.relation, [entity], link.start, link.end, denied=link.denied), other, said.end)
        if self.text_noun and self.value is not None:
            self._say(self.value, entity)
        self.heads = [*self.heads, entity] if joined and self.heads and not self.verb else [entity]
        if joined and self.verb and self.last in self.heads:
            self.heads = [*self.heads, entity]
        self.last = self.topic = entity
        self.listed = [*self.listed, entity] if joined else [entity]
