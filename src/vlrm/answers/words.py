"""The vocabulary that answers are read with: the embedded world's, or free English about what detectors report."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from vlrm.claims.english import PHOTOS
from vlrm.claims.vocabulary import EMBEDDED
from vlrm.experts.measured import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.claims.vocabulary import Vocabulary
    from vlrm.experts.base import Expert


LABELS = "labels"
"""Where a run's reliability says which nouns its experts report; it says nothing of those of the embedded world."""


def with_labels(verification: dict[str, Any], experts: Sequence[Expert]) -> dict[str, Any]:
    """A run's reliability that says in which words its claims are to be read (:func:`words_known`)."""
    return verification | {LABELS: sorted({label for expert in experts for label in labels_of(expert)})}


def words_known(reliability: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary that goes with a run's reliability: its claims are read with the words it was measured on."""
    return _words(tuple(sorted(reliability.get(LABELS, ()))))


def words_of(experts: Sequence[Expert]) -> Vocabulary:
    """Detectors of the embedded world's shapes alone have answers read as being about it, others as free English.

    There every noun is read; edits exchange those that the detectors report, and claims of others are unverifiable.
    """
    return _words(tuple(sorted({label for expert in experts for label in labels_of(expert)})))


@cache
def _words(labels: tuple[str, ...]) -> Vocabulary:
    if set(labels) <= set(EMBEDDED.nouns):
        return EMBEDDED
    if set(labels) == set(PHOTOS.nouns):
        return PHOTOS
    return replace(PHOTOS, nouns={label: PHOTOS.nouns.get(label, (label,)) for label in labels})
