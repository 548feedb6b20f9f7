"""Edits of free English: one claim changed, false by the evidence, fluent, and matched word by word."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vlrm.claims.corpus_edits import STRATA, matched_counterfactuals, stratum_of
from vlrm.claims.counterfactual import every_edit
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.matching import matched
from vlrm.claims.occurrence import CoOccurrence
from vlrm.claims.rewording import length_kept, takes_an
from vlrm.claims.truth import holds
from vlrm.schema import SeenObject


def thing(noun: str, x: float, **attributes: str) -> SeenObject:
    return SeenObject(noun, (x, 0.4, x + 0.1, 0.5), 1.0, {a: (v, 1.0) for a, v in attributes.items()}, f"{noun}{x}")


STREET = [thing("bus", 0.1, colour="red"), thing("car", 0.4), thing("car", 0.6), thing("stop sign", 0.8, text="STOP")]


def reachable(text: str, *kinds: str) -> set[str]:
    claims = extract_claims(text, vocabulary=PHOTOS)
    made = every_edit(text, claims, [1.0] * len(claims), STREET, np.random.default_rng(0), PHOTOS, kinds)
    for edit in made:
        assert not holds(edit.after, STREET)
        assert length_kept(text, edit.text)
    return {edit.text for edit in made}


def test_each_kind_of_edit() -> None:
    assert "A red airplane stands there." in reachable("A red bus stands there.", "object")
    assert "An orange bus stands there." in reachable("A red bus stands there.", "attribute")
    assert "There are three cars." in reachable("There are two cars.", "count")
    assert reachable("The bus is to the left of the car.", "relation") == {"The bus is to the right of the car."}
    assert 'The stop sign says "EXIT".' in reachable('The stop sign says "STOP".', "text")


def test_articles_and_plurals_follow() -> None:
    assert "An airplane is parked." in reachable("A bus is parked.", "object")
    assert "Two cars and the boats." not in reachable("Two cars and the bus.", "object")
    assert takes_an("hour") and takes_an("umbrella") and not takes_an("unicorn") and not takes_an("bus")


@pytest.mark.parametrize(
    "text", ["A bus stop is near.", "The bus driver waves.", "It might be a bus.", "There is no bus."]
)
def test_what_must_not_be_edited(text: str) -> None:
    assert reachable(text, "object") == set()


def test_a_matching_takes_out_every_word_as_often_as_it_puts_it_in() -> None:
    exchanges = [("a", "b"), ("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("d", "a")]
    kept = matched(exchanges)
    assert Counter(exchanges[i][0] for i in kept) == Counter(exchanges[i][1] for i in kept)
    assert sorted(kept) == [0, 1, 2, 3, 4]
    assert len(matched(exchanges, [(["one"] * len(exchanges), 2)])) == 2
    assert matched([]) == []


def test_cooccurrence_prefers_what_is_seen_together() -> None:
    kitchen, road = [thing("oven", 0.1), thing("sink", 0.5)], [thing("car", 0.1), thing("bus", 0.5)]
    likely = CoOccurrence([kitchen, kitchen, road, road])
    assert likely.log_odds("sink", {"oven"}) > 0 > likely.log_odds("bus", {"oven"})
    assert likely.log_odds("bus", set()) == 0


def test_matched_counterfactuals_balance_in_every_part_of_the_images() -> None:
    nouns = ("bus", "car", "truck", "train")
    objects = {f"image-{i}": [thing(nouns[i % 4], 0.2)] for i in range(60)}
    responses = [(image, f"A {seen[0].noun} is on the street.") for image, seen in objects.items()]
    made = matched_counterfactuals(responses, objects, PHOTOS, kinds=("object",))
    assert len(made) > 60
    for part in range(STRATA):
        here = [one for one in made if one.stratum == part]
        assert all(stratum_of(one.image) == part for one in here)
        assert Counter(one.edit.words[0] for one in here) == Counter(one.edit.words[1] for one in here)
    assert max(Counter((one.response, one.image) for one in made).values()) <= 2
    assert made == matched_counterfactuals(responses, objects, PHOTOS, kinds=("object",))


@pytest.mark.parametrize(("strata", "possible"), [(1, True), (STRATA, False)])
def test_numbers_are_edited_where_captions_give_several(strata: int, possible: bool) -> None:
    """Where all "two" lie in one part of the images and all "three" in another, no part can be matched in itself."""
    parts = {name: stratum_of(name) for name in (f"image-{i}" for i in range(60))}
    objects = {
        name: [thing("car", 0.1 + 0.2 * i) for i in range(2 if part == 0 else 3)]
        for name, part in parts.items()
        if part in (0, 1)
    }
    responses = [(name, f"There are {('two', 'three')[len(seen) - 2]} cars.") for name, seen in objects.items()]
    made = matched_counterfactuals(responses, objects, PHOTOS, kinds=("count",), strata=strata)
    assert bool(made) is possible
    assert Counter(one.edit.words[0] for one in made) == Counter(one.edit.words[1] for one in made)
    assert all(not holds(one.edit.after, objects[one.image]) for one in made)
