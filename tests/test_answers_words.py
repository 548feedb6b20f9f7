"""Which words answers are read with, by what the detectors can report."""

from __future__ import annotations

import numpy as np
import pytest

from vlrm.answers.words import LABELS, words_known
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.rewording import reword
from vlrm.claims.vocabulary import EMBEDDED


def test_detectors_of_the_embedded_world_or_none_have_its_words():
    assert words_known({}) is EMBEDDED
    assert words_known({LABELS: sorted(EMBEDDED.nouns)[:3]}) is EMBEDDED


def test_any_other_detector_has_answers_read_as_english_and_edits_made_of_its_labels():
    assert words_known({LABELS: sorted(PHOTOS.nouns)}) is PHOTOS
    words = words_known({LABELS: ["curtain", "lamp", "person"]})
    assert words.english and set(words.nouns) == {"curtain", "lamp", "person"}
    assert "man" in words.nouns["person"] and words.nouns["lamp"] == ("lamp",)
    found = extract_claims("Two men stand by the lamps. There is no puppy.", "", words)
    assert {claim.subject.noun for claim in found} >= {"person", "lamp", "dog"}
    (claim,) = extract_claims("There is a lamp.", "", words)
    changes = reword("There is a lamp.", claim, [], words, "", np.random.default_rng(0))
    assert {change.new_value for change in changes} == {"curtain"}


@pytest.mark.parametrize("label", ["Helmet", "traffic_cone", "Fire-Extinguisher"])
def test_labels_are_spelt_as_texts_spell_them(label):
    words = words_known({LABELS: [label]})
    said = label.lower().replace("_", " ")
    assert [claim.subject.noun for claim in extract_claims(f"There is a {said}.", "", words)] == [label]


@pytest.mark.parametrize("label", ["traffic cone", "safety vest", "hard hat", "circle", "square", "triangle"])
def test_whatever_a_detector_reports_is_read_by_that_name(label):
    words = words_known({LABELS: [label, "person"]})
    for text in (f"There is a {label}.", f"A person stands next to a {label}."):
        assert label in {claim.subject.noun for claim in extract_claims(text, "", words) if claim.kind == "existence"}
