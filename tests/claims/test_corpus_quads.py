"""Counterfactuals as quads: two texts on two images, each right on one."""

from __future__ import annotations

from collections import Counter

import pytest

from vlrm.claims.corpus_edits import stratum_of
from vlrm.claims.corpus_quads import quad_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.schema import SeenObject

NOUNS = ("bus", "car", "truck", "train")


@pytest.fixture(scope="module")
def objects() -> dict[str, list[SeenObject]]:
    return {f"image-{i}": [SeenObject(NOUNS[i % 4], (0.1, 0.4, 0.2, 0.5))] for i in range(60)}


@pytest.fixture(scope="module")
def responses(objects) -> list[tuple[str, str]]:
    return [(image, f"There is a {seen[0].noun}.") for image, seen in objects.items()]


@pytest.fixture(scope="module")
def quads(objects, responses):
    made = quad_counterfactuals(responses, objects, PHOTOS, kinds=("object",))
    return list(zip(made[::2], made[1::2], strict=True))


def test_each_text_is_right_on_one_of_two_images(quads, objects, responses):
    assert len(quads) > 60
    for first, second in quads:
        assert (first.response, first.edit.text) == (second.edit.text, second.response)
        for one in (first, second):
            assert holds(one.edit.before, objects[one.image]) and not holds(one.edit.after, objects[one.image])
            claims = extract_claims(one.response, vocabulary=PHOTOS)
            assert claims[one.edit.claim_index].key() == one.edit.before.key()
        assert first.edit.words == second.edit.words[::-1]
        assert second.edit.new_value == first.edit.before.subject.noun
    assert max(Counter((one.image, one.response) for one, _ in quads).values()) == 2  # of the one claim that each has


def test_both_images_are_of_one_part_and_serve_about_as_often(quads):
    assert all(one.stratum == stratum_of(one.image) for pair in quads for one in pair)
    assert all(first.stratum == second.stratum and first.image != second.image for first, second in quads)
    used = Counter(second.image for _, second in quads)
    assert max(used.values()) <= 6


def test_the_other_image_has_a_response_that_says_so(objects, responses):
    told = [(image, text) for image, text in responses if "train" not in text]
    made = quad_counterfactuals(told, objects, PHOTOS, kinds=("object",))
    assert made and not any("train" in one.response for one in made)


def test_the_same_input_gives_the_same_quads(objects, responses):
    assert quad_counterfactuals(responses, objects, PHOTOS) == quad_counterfactuals(responses, objects, PHOTOS)


def test_without_another_image_there_is_none(objects, responses):
    assert quad_counterfactuals(responses, objects, PHOTOS, tried_images=0) == []
    assert quad_counterfactuals([], {}, PHOTOS) == []
