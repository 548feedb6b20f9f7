"""Who does what, and what is where: verbs, prepositions, predicates and pronouns of a clause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.claims.english.phrases import read_phrase
from vlrm.claims.english.state import Link, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.drafts import Entity
    from vlrm.claims.english.choosing import Word

PLACES = frozenset({"next to", "near", "in front of", "behind", "left of", "right of", "between"})
"""After "on the table" these say where the subject is, not where the table is."""
SUPPORTS = frozenset({"on", "in", "at"})
_OBJECTS = frozenset({"DET", "NUM", "N", "OPEN", "ATTR", "ADJ"})


class Clauses(State):
    """The part of a reading that relates objects; :class:`vlrm.claims.english.reader.Reader` feeds it."""

    def _tag(self, place: int) -> str:
        return self.words[place].tag if 0 <= place < len(self.words) else "STOP"

    # Verbs and places

    def _new_predicate(self, place: int) -> None:
        """A finite verb is not denied by the "not" of the verb before: "is not on a leash and is running"."""
        while self._tag(place - 1) == "ADV":
            place -= 1
        helped = self._tag(place - 1) in ("NEG", "AUX", "HEDGE")
        if self.negation == "not" and (self.verb or self.acting) and not (helped or self.there or self.seen):
            self.negation = ""

    def _be(self, word: Word, place: int) -> None:
        self._new_predicate(place)
        if self.there and not self.relative:
            return
        if not self.relative:
            if self.last is not None and (self.heads or self.pronouned):
                self.subjects = self.heads or self.subjects
            elif self.inverted:
                return
        self.verb = self.copula = True
        self.link = None
        self.relative = False

    def _verb(self, word: Word, place: int) -> None:
        form = word.reading.form
        if form == "s":
            self._new_predicate(place)
        subjects = self._doers(word, place)
        self.link = None
        self.copula = False
        if not subjects and not self.heads and self.inverted:
            return
        if form in ("s", "base") or self._tag(place - 1) in ("BE", "ADV") or not self.heads:
            self.verb = True
        if subjects and not self.there:
            self.subjects = subjects
        acts_on = word.reading.value and (not word.reading.attribute or self._tag(place + 1) in _OBJECTS)
        if word.reading.attribute and subjects and not acts_on:
            for subject in subjects:
                self.describe(subject, "state", word.reading.attribute, word, subject.span[0], word.end)
                if self.counting is not None and self.counting.subject.noun == subject.noun:
                    self.counting.subject.attributes.setdefault("state", word.reading.attribute)  # "two are flying"
        self.acting = subjects
        if acts_on:
            self.link = Link(
                word.reading.value, subjects, word.start, word.end, denied=bool(self.negation), by_verb=True
            )
            if not subjects:
                self.link = None

    def _doers(self, word: Word, place: int) -> list[Entity]:  # noqa: PLR0911 - one return for each place of a verb
        """Who does what a verb says: the clause's subject, or the phrase a participle stands beside."""
        if self.relative:
            self.relative = False
            return self.subjects
        before = self._tag(place - 1)
        while before in ("ADV", "NEG") and place > 1:
            place -= 1
            before = self._tag(place - 1)
        if self.pronouned and self.subjects and not self.there:
            return self.subjects
        if before in ("BE", "AUX", "HEDGE") and (self.subjects or self.heads) and not self.there:
            return self.subjects if self.copula and self.subjects else self.heads
        if word.reading.form in ("s", "base"):
            return self.heads or self.subjects
        if before in ("COMMA", "AND", "BUT", "V", "P"):
            return self.acting or self.subjects or self.heads or self.prior
        if self.last is not None and self.last in self.heads:
            people = self.last in self.listed and all(entity.noun == "person" for entity in self.listed)
            told = {id(one.subject) for one in self.drafts if one.kind == "attribute" and one.attribute == "state"}
            return self.listed if people and not told & {id(one) for one in self.listed} else [self.last]
        if self.last is not None and not self.animate(self.last):
            alive = [entity for entity in [*self.heads, *self.objects] if self.animate(entity)]
            if alive and word.reading.form == "ing":
                return alive[-1:]
        return [self.last] if self.last is not None else self.heads

    def _relate_from(self, word: Word, relation: str, place: int, denied: bool = False) -> None:
        turned = self._turned(place)
        if turned and self._tag(place - 1) != "STOP":
            self._end_clause()  # "and above it hangs a painting"
        subjects = [] if turned else self._placed(relation, place)
        if relation == "with" and not denied and self._tag(place - 1) == "COMMA" and self._stands_alone(place):
            self._end_clause()  # "in the grass, with a car parked behind it"
            return
        unheld = relation == "with" and not subjects
        if unheld and self._tag(place - 1) not in ("STOP", "BUT", "COLON"):
            self.link = None  # "a street scene, with a bus": of no object
            return
        if self._tag(place - 1) in ("SCENE", "ABSTRACT") and (unheld or (self.heads and not self.verb)):
            self.link = None  # "a picture on the wall", "a game on the field", "a scene with a bus": of no object
            return
        done = self.words[place - 1].reading if place else None
        if word.raw.lower() == "by" and done is not None and done.tag == "V" and done.form == "ed" and done.value:
            self.link = None  # "a dog is held by a woman": not beside her
            return
        if self.labelling is not None and self.text_noun:
            subjects = []
        self.link = Link(relation, subjects, word.start, word.end, denied=denied or bool(self.negation and self.verb))
        self.copula = False

    def _turned(self, place: int) -> bool:
        """Whether what follows the verb is where the preposition says: "above it hangs a painting"."""
        starts = self._tag(place - 1) == "STOP" or (self._tag(place - 1) == "AND" and not self.inverted)
        ends = self._tag(place + 2) in ("V", "BE", "DET", "NUM") and not (
            self._tag(place + 2) == "V" and self.words[place + 2].reading.form not in ("s", "base")
        )
        return starts and self._tag(place + 1) == "PRON" and ends

    def _stands_alone(self, place: int) -> bool:
        """Whether "with" begins what is said of another object: "with a car parked behind it"."""
        found = read_phrase(self.words, place + 1)
        if found is None:
            return False
        after = self.words[found[1]] if found[1] < len(self.words) else None
        return after is not None and (after.tag == "ATTR" or (after.tag == "V" and after.reading.form in ("ing", "ed")))

    def _placed(self, relation: str, place: int) -> list[Entity]:  # noqa: PLR0911 - one return for each place
        """Of what a preposition says where it is."""
        before = place - 1
        while self._tag(before) in ("ADV", "ADJ", "NEG") and before >= 0:
            before -= 1
        tag = self._tag(before)
        if tag in ("BE", "V", "ATTR", "AUX", "HEDGE") and not self.there:
            return self.acting if tag == "V" and self.acting else self.subjects or self.heads
        if tag == "V":
            return self.acting or self.heads
        if self.last is None:
            return []
        if self._tag(place - 1) == "NEG" and self.subjects:
            return self.subjects  # "on the couch, not on the floor"
        body = [w.raw.lower() for w in self.words[place + 1 : place + 4]]
        if any(w in self.lexicon.words["body"] for w in body) and relation == "in":
            return [self.last]
        if relation == "with" and tag == "ABSTRACT" and self.acting:
            return self.acting  # "is playing a game with a remote"
        moved = self._placed_by(self.link, relation, place)
        if moved:
            return moved
        if (tag == "STOP" or (tag == "COMMA" and self.inverted)) and not self.heads:
            return []
        return [self.last]

    def _placed_by(self, earlier: Link | None, relation: str, place: int) -> list[Entity]:
        """The subjects of the relation before, where the preposition after its object is of them too."""
        if earlier is None or not earlier.subjects or self.last is None or self.last not in self.objects:
            return []
        worn = (self.last.noun or "").split(" ")[-1] in self.lexicon.words["worn"]
        alive = [subject for subject in earlier.subjects if self.animate(subject)]
        if relation == "with":
            own = not self.animate(self.last) and self._own(place, earlier.by_verb)
            return alive if own else []
        further = relation in PLACES and (earlier.relation in SUPPORTS | {"along"} or self._tag(place - 1) == "COMMA")
        acted = earlier.by_verb and relation in SUPPORTS | PLACES and earlier.relation != "looking at"
        return earlier.subjects if worn or further or acted else []

    def _own(self, place: int, acting: bool) -> bool:
        """Whether the words after "with" say whose it is: "hits the ball with his racket".

        Where nothing is acted on, also "runs across the grass with a ball in its mouth".
        """
        ahead = place + 1
        while self._tag(ahead) in ("DET", "NUM", "ATTR", "ADJ", "N", "OPEN") or (
            not acting and self._tag(ahead) == "P"
        ):
            if self.words[ahead].reading.value == "poss":
                return True
            ahead += 1
        return False

    def _presence(self, word: Word, place: int) -> None:
        """ "is not visible", "cannot be seen", "is absent": the subject of this sentence is not there.

        "Not clearly visible" denies nothing, nor do "hardly visible" and "not seen wearing a hat", nor is it said of a
        thing that a part of it is hidden.
        """
        said, words = word.raw.lower(), self.lexicon.words
        if not self.verb or said not in words["presence"] | words["absence"]:
            return
        before = place - 1
        while before >= 0 and self.words[before].raw.lower() in ("be", "been"):
            before -= 1
        helped = self._tag(before) in ("BE", "AUX") if self.of_none else self._tag(before) == "NEG"
        denied = self.negation == "not" and helped and self.words[max(before, 0)].raw.lower() != "hardly"
        if not (denied or said in words["absence"]):
            return
        if any(other.tag == "V" or other.reading.value == "with" for other in self.words[place + 1 : place + 2]):
            return
        sentence = self.sentence(place)
        if any(other.raw.lower() == "whose" for other in sentence):
            return
        for subject in self.subjects:
            if self._part_of(subject, sentence):
                continue
            known = [draft for draft in self.drafts if draft.subject is subject]
            named = next((draft for draft in known if draft.kind == "existence" and draft.polarity), None)
            if named is None or min(draft.start for draft in known) < sentence[0].start:
                continue  # another sentence says that it is there
            self.drafts = [draft for draft in self.drafts if draft not in known]
            subject.denied = True
            self.add("existence", subject, named.start, named.end, named.span_value, polarity=False)

    def _part_of(self, subject: Entity, sentence: Sequence[Word]) -> bool:
        """Whether the sentence speaks of a part of the object: "the front of the bus", "most of the car"."""
        start, end = subject.span
        if " of " in self.text[start:end].lower():
            return True
        before = [word for word in sentence if word.tag != "NEG" and 0 <= start - word.end <= 1]
        return any(word.raw.lower().split()[-1] == "of" for word in before)

    def _predicate(self, word: Word, place: int) -> None:
        """An attribute outside a noun phrase: predicate ("is red"), apposition, "with stripes", short answer."""
        if self.link is not None and not self.link.used and self.link.relation == "with":
            self.link = None
        spoken_of = self.subjects if self.verb or self.relative else []
        if self._tag(place - 1) in ("N", "OPEN") and self.last in self.objects:
            spoken_of = []  # "holds a sandwich cut in half"
        subjects = spoken_of or ([self.last] if self.last is not None else [])
        if word.reading.number == 1 and self.last is not None and not self.copula:
            subjects = [self.last]
        if self.there and not self.relative and self.last is not None:
            subjects = [self.last]
        if not subjects and self.topic is not None and self.topic.asked:
            subjects = [self.topic]
        for subject in subjects:
            if self.counting is not None and self.counting.subject.noun == subject.noun and not subject.denied:
                self.counting.subject.attributes.setdefault(word.reading.attribute, word.reading.value)
                self.counting.end = max(self.counting.end, word.end)
            elif subject.denied:
                subject.attributes.setdefault(word.reading.attribute, word.reading.value)
            else:
                self.describe(subject, word.reading.attribute, word.reading.value, word, subject.span[0], word.end)
                if not self.negation:
                    subject.attributes.setdefault(word.reading.attribute, word.reading.value)
        self.acting = subjects

    def _pronoun(self, word: Word, place: int) -> None:
        known = self.meant(word.raw.lower())
        if self.link is not None and not self.link.subjects and known and not self.heads:
            self.inverted = [(self.link, known[0])]
            self.link, self.last = None, known[0]
            return
        if self.link is not None and self.link.subjects:
            subjects = self.link.subjects
            others = [entity for entity in known if entity not in subjects] or self.alone_in_sentence(
                word, place, subjects
            )
            if others:
                self.relate(self.link, others[0], word.end)
            self.link = None
            return
        if self.verb and self.subjects and not self.joined:
            return
        self._clause_of_its_own()
        self.subjects = self.heads = list(known)
        self.last = known[0] if known else None
        self.pronouned = True
