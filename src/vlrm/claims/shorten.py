"""Shortens two answers that differ in one claim to the one sentence that makes it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vlrm.claims.extract import extract_claims
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary

if TYPE_CHECKING:
    from vlrm.claims.counterfactual import Edit

_SENTENCES = re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')


def one_sentence(
    response: str, edit: Edit, question: str, vocabulary: Vocabulary = EMBEDDED
) -> tuple[str, Edit] | None:
    """The sentence of ``response`` that the edit changes, and the edit of it alone.

    None where there is but one sentence, where several change, or where the claim is not the same by itself ("It is
    red", said of the star in the sentence before).
    """
    before, after = _SENTENCES.split(response), _SENTENCES.split(edit.text)
    if len(before) != len(after) or len(before) < 2:
        return None
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    if len(changed) != 1:
        return None
    claims = [{claim.key(): claim for claim in extract_claims(text, question, vocabulary)} for text in changed[0]]
    old, new = claims[0].get(edit.before.key()), claims[1].get(edit.after.key())
    if old is None or new is None:
        return None
    place = list(claims[0]).index(old.key())
    return changed[0][0], replace(edit, text=changed[0][1], claim_index=place, before=old, after=new)
