"""Claims under construction: the objects a text speaks of, and what it says of each, until the text ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlrm.schema import Claim, ClaimKind, ObjectPhrase


@dataclass(eq=False)
class Entity:
    """One object (or group) spoken of; its attributes grow as the text goes on."""

    noun: str | None
    attributes: dict[str, str] = field(default_factory=dict)
    plural: bool = False
    asked: bool = False
    """The question names it, so that saying "the star" again claims nothing new."""
    denied: bool = False
    span: tuple[int, int] = (0, 0)

    def phrase(self, **changed: str) -> ObjectPhrase:
        return ObjectPhrase(self.noun, tuple(sorted({**self.attributes, **changed}.items())))

    def fits(self, noun: str | None, attributes: dict[str, str]) -> bool:
        """Whether a definite phrase can mean this object."""
        return noun in (None, self.noun) and all(self.attributes.get(a, v) == v for a, v in attributes.items())


@dataclass(eq=False)
class Draft:
    """A claim whose subject may still learn attributes."""

    kind: ClaimKind
    subject: Entity
    start: int
    end: int
    span_value: tuple[int, int]
    attribute: str | None = None
    value: str | None = None
    count: int | None = None
    relation: str | None = None
    other: Entity | None = None
    polarity: bool = True
    hedged: bool = False
    implied: bool = False
    """Said by "yes", "no" or a bare value only; gives way to a claim that spells it out."""
    part: bool = False
    """A count of some of the objects spoken of: "two of the three dogs"."""
    placed: bool = False
    """Of the counted objects a relation is said, which a count cannot say: "two are on the couch"."""

    def claim(self) -> Claim:
        subject = self.subject.phrase()
        if self.kind == "existence" and self.polarity:
            subject = ObjectPhrase(self.subject.noun)
        elif self.kind == "attribute" and self.attribute and self.value:
            # "not red" must not make its subject "the red star".
            known = {self.attribute: self.value} if self.polarity else {}
            subject = self.subject.phrase(**known)
        return Claim(
            kind=self.kind,
            subject=subject,
            start=self.start,
            end=self.end,
            span_value=self.span_value,
            attribute=self.attribute,
            value=self.value,
            count=self.count,
            relation=self.relation,
            other=None if self.other is None else self.other.phrase(),
            polarity=self.polarity,
            hedged=self.hedged,
        )


def finish(drafts: list[Draft]) -> list[Claim]:
    """Every claim once, in the order of the text; spelled-out mentions win over "yes" and "no"."""
    found: dict[tuple[object, ...], Claim] = {}
    for draft in sorted(drafts, key=lambda d: (d.implied, d.start)):
        claim = draft.claim()
        found.setdefault(claim.key(), claim)
    return sorted(found.values(), key=lambda c: (c.start, c.span_value, c.kind))
