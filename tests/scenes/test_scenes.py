from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.scenes import wording
from vlrm.scenes.questions import KINDS, answer, ask
from vlrm.scenes.redraw import redraw
from vlrm.scenes.render import render
from vlrm.scenes.world import UNSEEN, USUAL, Scene, as_web_writes, sample_scene, scenes
from vlrm.schema import CLAIM_KINDS


def test_combinations_of_the_test_part_occur_nowhere_else():
    for part in ("iid", "prior_breaking", "prior_conforming"):
        for scene in islice(scenes(1, part), 300):
            assert not any((o.shape, o.colour) in UNSEEN for o in scene.objects)
    for scene in islice(scenes(1, "unseen_combination"), 50):
        assert any((o.shape, o.colour) in UNSEEN for o in scene.objects)


def test_prior_parts_are_what_they_say():
    breaking, conforming = (list(islice(scenes(2, part), 100)) for part in ("prior_breaking", "prior_conforming"))
    assert all(o.colour != USUAL[o.shape] for s in breaking for o in s.objects if o.shape in USUAL)
    assert all(o.colour == USUAL[o.shape] for s in conforming for o in s.objects if o.shape in USUAL)
    assert all(any(o.shape in USUAL for o in s.objects) for s in breaking + conforming)


def test_captions_tell_the_usual_colour_in_the_stated_share():
    rng = np.random.default_rng(0)
    told = [as_web_writes(scene, rng, 0.6) for scene in islice(scenes(3, "prior_breaking"), 400)]
    habit = [o.colour == USUAL[o.shape] for scene in told for o in scene.objects if o.shape in USUAL]
    assert 0.54 < np.mean(habit) < 0.66


def test_a_scene_always_gives_the_same_pixels_and_survives_json():
    scene = sample_scene(np.random.default_rng(4))
    again = Scene.from_json(scene.to_json())
    assert again == scene
    assert np.array_equal(np.asarray(render(scene)), np.asarray(render(again)))


@pytest.mark.parametrize("name", ["EXISTENCE", "ABSENCE", "ATTRIBUTE", "COUNT", "RELATION", "TEXT"])
def test_every_kind_of_claim_has_at_least_eight_wordings(name):
    assert len(set(getattr(wording, name))) >= 8


def test_true_answers_make_claims_that_hold():
    rng = np.random.default_rng(5)
    kinds, checked = set(), 0
    for scene in islice(scenes(5), 300):
        question = ask(scene, rng)
        if question.kind == "relation":
            continue
        for claim in extract_claims(answer(question, scene, rng), question.text):
            kinds.add(claim.kind)
            checked += 1
            assert holds(claim, scene.seen()), (question, claim)
    assert kinds == set(CLAIM_KINDS)
    assert checked > 500
    assert {ask(s, rng).kind for s in islice(scenes(6), 200)} == set(KINDS)


def test_a_redrawn_scene_makes_the_edit_true_and_the_original_false():
    rng = np.random.default_rng(6)
    done = 0
    for scene in islice(scenes(7), 60):
        for thing in scene.objects[:1]:
            before = extract_claims(f"The {thing.shape} is {thing.colour}.")[-1]
            after = extract_claims(f"The {thing.shape} is {'green' if thing.colour != 'green' else 'red'}.")[-1]
            changed = redraw(scene, before, after, rng)
            if changed is not None:
                done += 1
                assert holds(after, changed.seen())
                assert not holds(before, changed.seen())
                assert sum(a != b for a, b in zip(scene.objects, changed.objects, strict=True)) == 1
    assert done > 20
