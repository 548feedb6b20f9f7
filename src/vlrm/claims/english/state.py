"""What a reading of English knows so far, and how it writes its drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrm.claims.drafts import Draft, Entity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.claims.english.lexicon import Lexicon
    from vlrm.claims.english.phrases import Phrase
    from vlrm.claims.english.tagger import Word

ANIMATE = frozenset(
    (
        "person",
        "bird",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "teddy bear",
        "animal",
    )
)

_MORE = frozenset({"another", "another one", "the other", "the others", "others"})
HE = ("he", "she", "him", "himself", "herself")


@dataclass
class Link:
    """A relation that waits for its object."""

    relation: str
    subjects: list[Entity]
    start: int
    end: int
    denied: bool = False
    by_verb: bool = False
    used: bool = False
    by_no: bool = False
    """Denied by the "no" before its object ("has no hat"), which does not reach "and a red shirt"."""
    list_of: bool = False


class State:
    """The clause being read; the drafts; the objects spoken of."""

    def __init__(self, text: str, lexicon: Lexicon, entities: Sequence[Entity] = (), asked_kind: str = "") -> None:
        self.text, self.lexicon, self.asked_kind = text, lexicon, asked_kind
        self.entities = list(entities)
        self.topic: Entity | None = entities[0] if entities else None
        self.drafts: list[Draft] = []
        self.words: Sequence[Word] = ()
        self.before = 0
        self.new_sentence()

    def new_sentence(self) -> None:
        self.hedged = False
        self.inverted: list[tuple[Link, Entity]] = []
        self.objects: list[Entity] = []
        self.labelling: Entity | None = None
        self.value: Word | None = None
        self.text_noun = self.likened = False
        self.prior: list[Entity] = []
        """The subject of the clause before, for "while sitting on a bench"."""
        self.last: Entity | None = None
        self.listed: list[Entity] = []
        self._clear()

    def _clear(self) -> None:
        self.negation = ""
        self.none_of = self.of_none = False
        """After "none of", and after what it is none of: "none of the chairs" says that there are some."""
        self.lacking = False
        """After "the image lacks": denied is what it lacks, not what it also shows."""
        self.heads: list[Entity] = []
        self.subjects: list[Entity] = []
        self.acting: list[Entity] = []
        self.link: Link | None = None
        self.there = self.seen = self.verb = self.copula = self.relative = self.pronouned = False
        self.joined = self.comma = False
        self.counting: Draft | None = None

    def _end_clause(self, keep_group: bool = False) -> None:
        heads = self.heads
        negation = "" if self.there or self.seen else self.negation
        self.prior = self.subjects or heads or self.prior
        self._clear()
        if keep_group:
            self.heads, self.joined = heads, True
            if any(entity.denied for entity in heads):
                self.negation = negation  # "no cars or trucks are ..."

    def _clause_of_its_own(self) -> None:
        if self.joined or self.comma or self.verb:
            self._end_clause()

    # Whom words mean

    def animate(self, entity: Entity) -> bool:
        return entity.noun in ANIMATE

    def questioned(self, noun: str | None) -> bool:
        return any(entity.asked and entity.noun == noun and entity.span == (0, 0) for entity in self.entities)

    def antecedent(self, other: bool = False) -> Entity | None:
        """What "one" is one of: the plural subject before, the last plural, any subject or object.

        What "another" (``other``) is of one kind with is the subject before, if there is one.
        """
        alive = [entity for entity in self.entities if not entity.denied and entity.noun is not None]
        many = [entity for entity in alive if entity.plural]
        before = [entity for entity in self.prior if entity in alive]
        subjects = [entity for entity in before if entity in many]
        return (subjects or (before if other else many) or many or before or alive or [None])[-1]  # type: ignore[list-item]

    def contrasted(self, said: Phrase) -> Entity | None:
        """What "a blue one" is one of: the last object that has another colour, else whom the clause is about."""
        names = {name for name, _, _ in said.attributes}
        alike = [entity for entity in self.entities if not entity.denied and names & entity.attributes.keys()]
        groups = (alike, self.subjects, self.heads, self.prior)
        return next((group[-1] for group in groups if group), self.antecedent())

    def sentence(self, place: int) -> Sequence[Word]:
        """The words of the sentence of ``place`` before it."""
        begin = next((number + 1 for number in range(place - 1, -1, -1) if self.words[number].tag == "STOP"), 0)
        return self.words[begin:place]

    def alone_in_sentence(self, word: Word, place: int, subjects: Sequence[Entity]) -> list[Entity]:
        """The only other object (person, for "him") that the sentence of this pronoun speaks of; none of several."""
        begin = next((one.start for one in self.sentence(place)), word.start)
        person = word.raw.lower() in HE
        others = [
            entity for entity in self.entities
            if entity.span[0] >= begin and entity.span != (0, 0) and (entity.noun == "person") == person
            and not entity.denied and entity not in subjects
        ]  # fmt: skip
        return others if len(others) == 1 else []

    def meant(self, word: str) -> list[Entity]:
        """The objects a pronoun means: the topic where it fits, otherwise the last that does."""
        alive = [entity for entity in self.entities if not entity.denied]
        if word in HE:
            fits = [entity for entity in alive if entity.noun == "person"]
            return fits[-1:] or [Entity("person", span=(0, 0))]
        if word in ("they", "them", "themselves", "each other", "one another"):
            if self.topic is not None and self.topic.plural:
                return [self.topic]
            several = [entity for entity in self.listed if not entity.denied]
            if len(several) > 1:
                return several
            fits = [entity for entity in alive if entity.plural]
            return fits[-1:] or alive[-1:] or [Entity(None, plural=True, span=(0, 0))]
        if self.topic is not None and not self.topic.denied and self.topic.noun != "person":
            return [self.topic]
        fits = [entity for entity in alive if entity.noun != "person"]
        return fits[-1:]

    # What is written down

    def stretch(self, entity: Entity, start: int, end: int) -> tuple[int, int]:
        """The span from the entity's mention to the words about it, within one sentence."""
        begin = entity.span[0]
        near = entity.span != (0, 0) and begin <= start and not any(m in self.text[begin:start] for m in ".!?\n")
        return (begin if near else start), end

    def add(self, kind: str, subject: Entity, start: int, end: int, span: tuple[int, int], **content: object) -> Draft:
        content.setdefault("polarity", True)
        draft = Draft(kind, subject, start, end, span, hedged=self.hedged, **content)  # type: ignore[arg-type]
        self.drafts.append(draft)
        return draft

    def add_count(self, entity: Entity, said: Phrase, number: Word, polarity: bool = True) -> Draft:
        """A count of what the phrase itself says; what is learnt of the objects later does not narrow it."""
        counted = Entity(entity.noun, dict(entity.attributes), plural=True)
        return self.add(
            "count",
            counted,
            said.start,
            said.end,
            (number.start, number.end),
            count=number.reading.number,
            polarity=polarity,
        )

    def one_of_several(self, word: Word, other: Entity | None = None) -> None:
        """ "One dog sits while another stands" does not say that there is one dog."""
        if word.raw.lower() not in _MORE:
            return
        ones = [draft for draft in self.drafts if draft.kind == "count" and draft.count == 1]
        for draft in ones[-1:] if other is None else ones:
            if other is None or draft.subject.noun == other.noun:
                draft.part = draft.placed = True

    def describe(self, entity: Entity, name: str, value: str, word: Word, start: int, end: int) -> None:
        if entity.denied or (entity.noun is None and not entity.asked and entity.span == (0, 0)):
            return
        begin, _ = self.stretch(entity, word.start, word.end)
        begin = min(begin, start) if start <= word.start and begin != word.start else begin
        self.add(
            "attribute", entity, begin, max(end, word.end), (word.start, word.end), attribute=name, value=value,
            polarity=not self.negation,
        )  # fmt: skip

    def relate(self, link: Link, other: Entity, end: int) -> None:
        link.used = True
        for subject in link.subjects:
            if subject is other:
                continue
            if subject.denied:
                self.drafts = [d for d in self.drafts if not (d.kind == "existence" and d.subject is subject)]
            begin, _ = self.stretch(subject, link.start, link.end)
            if self.counting is not None and self.counting.subject.noun == subject.noun:
                self.counting.placed = True
            self.add(
                "relation", subject, begin, max(end, link.end), (link.start, link.end), relation=link.relation,
                other=other, polarity=not (link.denied or subject.denied),
            )  # fmt: skip
