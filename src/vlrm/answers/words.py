"""The vocabulary that answers are read with: the embedded world's, or the nouns that the detectors report."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from vlrm.claims.english import PHOTOS
from vlrm.claims.vocabulary import EMBEDDED, Vocabulary
from vlrm.experts.measured import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Detectors of all of COCO's objects have answers read as free English, where other nouns are unverifiable.

    With detectors of other nouns only these are read: of others no claim could be verified.
    """
    return _words(tuple(sorted({label for expert in experts for label in labels_of(expert)})))


@cache
def _words(labels: tuple[str, ...]) -> Vocabulary:
    if set(labels) <= set(EMBEDDED.nouns):
        return EMBEDDED
    if set(labels) == set(PHOTOS.nouns):
        return PHOTOS
    attributes = {name: values for name, values in EMBEDDED.attributes.items() if name != "pattern"}
    return Vocabulary(nouns={label: (label,) for label in labels}, attributes=attributes)
