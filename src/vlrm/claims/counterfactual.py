"""Edits of a verified response that make exactly one claim false and leave everything else as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlrm.claims.extract import extract_claims
from vlrm.claims.rewording import Change, apply, length_kept, reword
from vlrm.claims.truth import KIND, holds
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.schema import clear

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vlrm.claims.reliability import Reliability
    from vlrm.schema import Claim, SeenObject

SUPPORTED = 0.8
"""A claim is edited only when it is at least this probable: log-odds of log 4."""
SURPLUS = 10
"""No value may be this much more often chosen than rejected, or the other way round, for a noun or over
all."""
KINDS = ("object", "count", "attribute", "relation", "text", "existence")
Balance = Counter[tuple[str, str, str]]
"""(attribute or kind, noun, value) -> how often the value was chosen (true) minus how often rejected
(edited in)."""


@dataclass(frozen=True)
class Edit:
    """A response with one claim changed: ``before`` is true by the evidence, ``after`` is not."""

    text: str
    kind: str
    claim_index: int
    before: Claim
    after: Claim
    attribute: str | None
    new_value: str
    words: tuple[str, str] = ("", "")
    """The words exchanged, where a value has several."""


def propose(
    response: str,
    claims: Sequence[Claim],
    probabilities: Sequence[float],
    objects: Sequence[SeenObject],
    rng: np.random.Generator,
    vocabulary: Vocabulary = EMBEDDED,
    kinds: Collection[str] | None = None,
    *,
    question: str = "",
    balance: Balance | None = None,
    reliability: Reliability | None = None,
    limit: int | None = None,
    traced: float = 0.0,
) -> list[Edit]:
    """At most one edit for each supported claim, in random order, at most ``limit`` of them.

    ``probabilities`` are the claims' chances of being true and ``objects`` the evidence. An edit is returned only when
    the edited text reads back as the same claims but the one, when the evidence contradicts that one (with a verdict,
    where ``reliability`` is given), and when the text keeps its length in tokens within 10 % or one token.
    ``balance`` is updated by the edits returned and steers the draw, so that over many calls every value is said about
    as often by chosen as by rejected responses: words alone then do not tell originals from edits. ``traced`` is how
    much an object is preferred that experts report in the image and that is held for absent all the same.
    """
    balance = Counter() if balance is None else balance
    edits: list[Edit] = []
    for index in rng.permutation(len(claims)):
        if limit is not None and len(edits) >= limit:
            break
        claim = claims[index]
        if probabilities[index] < SUPPORTED or not holds(claim, objects):
            continue
        options = [
            change
            for change in reword(response, claim, clear(objects), vocabulary, question, rng)
            if (kinds is None or change.kind in kinds) and _matched(change, claim, balance)
        ]
        scores = [_preference(change, claim, objects, balance, traced) + rng.gumbel() * 0.7 for change in options]
        for place in np.argsort(scores)[::-1]:
            edit = _checked(response, claims, int(index), options[place], objects, vocabulary, question, reliability)
            if edit is not None:
                edits.append(edit)
                old, new = _exchanged(options[place])
                for key in _keys(edit.before, edit.kind, old):
                    balance[key] += 1
                for key in _keys(edit.before, edit.kind, new):
                    balance[key] -= 1
                break
    return edits


def every_edit(
    response: str,
    claims: Sequence[Claim],
    probabilities: Sequence[float],
    objects: Sequence[SeenObject],
    rng: np.random.Generator,
    vocabulary: Vocabulary = EMBEDDED,
    kinds: Collection[str] | None = None,
    *,
    question: str = "",
    reliability: Reliability | None = None,
    sure: float = SUPPORTED,
) -> list[Edit]:
    """All edits that :func:`propose` could make of a response: what :func:`vlrm.claims.matching.matched` chooses among.

    Only claims of probability ``sure`` or more are edited, to what ``reliability`` gives at most 1 - ``sure``.
    """
    found: list[Edit] = []
    for index, claim in enumerate(claims):
        if probabilities[index] < sure or not holds(claim, objects):
            continue
        for change in reword(response, claim, clear(objects), vocabulary, question, rng):
            if kinds is not None and change.kind not in kinds:
                continue
            edit = _checked(response, claims, index, change, objects, vocabulary, question, reliability)
            if edit is None:
                continue
            if reliability is None or reliability.verify(edit.after, objects).probability <= 1 - sure:
                found.append(edit)
    return found


def _keys(claim: Claim, kind: str, value: str) -> list[tuple[str, str, str]]:
    name = claim.attribute or kind
    noun = "" if kind == "object" else claim.subject.noun or ""
    return [(name, noun, value), (name, "*", value)]


def _exchanged(change: Change) -> tuple[str, str]:
    """What is counted as chosen and as rejected: words where they are told, otherwise values."""
    return change.words if change.words != ("", "") else (change.old_value, change.new_value)


def _matched(change: Change, claim: Claim, balance: Balance) -> bool:
    """Whether the edit leaves its two values about as often chosen as rejected.

    Without this a usual value (the yellow of stars) is chosen more often than it can ever be edited in.
    """
    old, new = (_keys(claim, change.kind, value) for value in _exchanged(change))
    return all(balance[key] < SURPLUS for key in old) and all(balance[key] > -SURPLUS for key in new)


def _preference(change: Change, claim: Claim, objects: Sequence[SeenObject], balance: Balance, traced: float) -> float:
    """Values said more often by chosen than by rejected responses come first, then those seen in this image."""
    old, new = _exchanged(change)
    with_noun, overall = (balance[key] for key in _keys(claim, change.kind, new))
    old_with_noun, old_overall = (balance[key] for key in _keys(claim, change.kind, old))
    owed = float(np.clip(with_noun, -6, 6) + 0.5 * np.clip(overall, -6, 6))
    owed -= float(np.clip(old_with_noun, -6, 6) + 0.5 * np.clip(old_overall, -6, 6)) * 0.25
    around = any(value == change.new_value for o in objects for value, _ in o.attributes.values())
    # Of the kinds open to a claim (its noun or its value) none is favoured.
    if change.kind == "object" and any(o.noun == change.new_value for o in objects):
        owed += traced
    return owed + (0.7 if around and change.kind != "text" else 0.0)


def _checked(
    response: str,
    claims: Sequence[Claim],
    index: int,
    change: Change,
    objects: Sequence[SeenObject],
    vocabulary: Vocabulary,
    question: str,
    reliability: Reliability | None,
) -> Edit | None:
    text = apply(response, change.replacements)
    if text == response or not length_kept(response, text):
        return None
    after = extract_claims(text, question, vocabulary)
    before = claims[index]
    changed = _changed(claims, after, before, change, objects)
    if changed is None or holds(changed, objects):
        return None
    if reliability is not None and reliability.verify(changed, objects).verdict != "contradicted":
        return None
    attribute = before.attribute if change.kind == "attribute" else None
    return Edit(text, change.kind, index, before, changed, attribute, change.new_value, change.words)


def _core(claim: Claim, renamed: tuple[str, str] | None = None) -> tuple[object, ...]:
    """What a claim says apart from how its objects are described: an edited colour describes in other
    claims too."""

    def noun(of: str | None) -> str | None:
        return renamed[1] if renamed and of == renamed[0] else of

    about = claim.subject.attributes if claim.kind == "count" or not claim.polarity else ()
    about = tuple(pair for pair in about if pair[0] != KIND) if renamed else about
    other = noun(claim.other.noun) if claim.other else None
    return (
        claim.kind, noun(claim.subject.noun), about, claim.attribute, claim.value, claim.count,
        claim.relation, other, claim.polarity,
    )  # fmt: skip


def _changed(  # noqa: PLR0911 - each way to be more than one change
    before: Sequence[Claim],
    after: Sequence[Claim],
    target: Claim,
    change: Change,
    objects: Sequence[SeenObject],
) -> Claim | None:
    """The one claim that differs, or None when another number of claims does."""
    if change.flips:
        gone, new = _difference(before, after, None)
        expected = {"existence", "attribute"} if target.kind == "existence" else {target.kind}
        if not new or {claim.kind for claim in gone + new} - expected:
            return None
        # A "no" must be wrong in all it denies; of a "yes" one part is enough.
        wrong = [claim for claim in new if not holds(claim, objects)]
        if not wrong or not all(holds(claim, objects) for claim in gone):
            return None
        return None if len(wrong) < len(new) and not all(claim.polarity for claim in new) else wrong[0]
    renamed = None
    if change.kind == "object":
        renamed = (target.subject.noun or "", change.new_value)
    gone, new = _difference(before, after, renamed)
    if change.kind == "object":
        # Read with the noun renamed nothing may differ; what changed is the existence of the object.
        if gone or new:
            return None
        return next((c for c in after if c.kind == "existence" and c.subject.noun == change.new_value), None)
    if len(gone) != 1 or len(new) != 1 or _core(gone[0]) != _core(target):
        return None
    return new[0] if new[0].kind == target.kind else None


def _difference(
    before: Sequence[Claim], after: Sequence[Claim], renamed: tuple[str, str] | None
) -> tuple[list[Claim], list[Claim]]:
    old, new = Counter(_core(c, renamed) for c in before), Counter(_core(c) for c in after)
    return (
        [c for c in before if (old - new)[_core(c, renamed)] > 0],
        [c for c in after if (new - old)[_core(c)] > 0],
    )
