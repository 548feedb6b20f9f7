"""Questions about photos follow POPE's definition: as many absent objects as present ones, drawn in three ways."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.coco_pope import ASKED, objects_by_image, questions
from vlrm.evaluation.benchmarks.suites import load, missing_images

SCENES = {
    "a.jpg": ["person", "dog", "frisbee"],
    "b.jpg": ["person", "dog", "car"],
    "c.jpg": ["person", "car", "bus"],
    "d.jpg": ["person", "cat", "couch", "tv"],
    "e.jpg": ["zebra"],
}
NOUNS = ["person", "dog", "car", "bus", "cat", "couch", "tv", "zebra", "orange"]


def asked(items, split, image, answer):
    return [i.details["object"] for i in items if i.category == split and i.image == image and i.better == answer]


def test_popular_objects_are_the_most_frequent_that_are_absent():
    items = list(questions(SCENES, seed=3))
    # person 4, car 2, dog 2, then the rest by name; zebra's image has too few objects to count
    assert asked(items, "popular", "a.jpg", 1) == ["car", "bus", "cat"]
    assert asked(items, "popular", "d.jpg", 1) == ["car", "dog", "bus"]


def test_adversarial_objects_are_the_company_of_what_is_there():
    items = [item for item in questions(SCENES, seed=3) if item.category == "adversarial" and item.image == "a.jpg"]
    company = {"person": ["car", "dog", "bus", "cat", "couch", "frisbee", "tv"], "dog": ["person", "car", "frisbee"],
               "frisbee": ["dog", "person"]}  # fmt: skip
    taken = {"person", "dog", "frisbee"}
    for present, absent in zip(items[::2], items[1::2], strict=True):
        first = next((noun for noun in company[present.details["object"]] if noun not in taken), None)
        if first is not None:  # else any object of the data
            assert absent.details["object"] == first
        taken.add(absent.details["object"])


def test_images_with_too_few_kinds_of_objects_are_left_out():
    assert "e.jpg" not in {item.image for item in questions(SCENES)}
    with pytest.raises(UserError, match=r"None of the 1 images has 3 kinds"):
        list(questions({"e.jpg": ["zebra"]}))


def test_questions_are_worded_as_in_pope():
    items = list(questions({"a.jpg": ["orange", "dog", "umbrella"], "b.jpg": ["cup", "car", "apple"]}))
    texts = {item.details["object"]: item.question for item in items}
    assert texts["orange"] == "Is there an orange in the image?" and texts["dog"] == "Is there a dog in the image?"


def test_a_seed_decides_what_is_asked_whatever_the_order_of_images():
    turned = dict(reversed(SCENES.items()))
    first, again, other = (sorted(i.key for i in questions(s, n)) for s, n in ((SCENES, 0), (turned, 0), (SCENES, 1)))
    assert first == again != other


@given(st.lists(st.lists(st.sampled_from(NOUNS), min_size=3, max_size=5, unique=True), min_size=1, max_size=6))
def test_what_is_there_is_answered_yes_and_nothing_is_asked_twice(kinds):
    scenes = {f"{number}.jpg": one for number, one in enumerate(kinds)}
    items = list(questions(scenes))
    for item in items:
        assert (item.details["object"] in scenes[item.image]) == (item.better == 0)
    assert len({item.key for item in items}) == len(items)
    present = {split: [(i.image, i.details["object"]) for i in items if i.category == split and i.better == 0]
               for split in ("random", "popular", "adversarial")}  # fmt: skip
    assert present["random"] == present["popular"] == present["adversarial"]
    everything = {noun for one in kinds for noun in one}
    for image, one in scenes.items():
        absent = min(ASKED, len(everything - set(one)))
        assert len(asked(items, "random", image, 1)) == absent and len(asked(items, "random", image, 0)) == ASKED


def test_crowds_are_there_and_a_file_of_another_form_is_refused(tmp_path):
    raw = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 1, "iscrowd": 1}, {"image_id": 1, "category_id": 1}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(raw))
    assert objects_by_image(path) == {"a.jpg": ["person"]}
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(UserError, match=r"instances.json is no COCO instances file \(KeyError: 'categories'\)"):
        list(load("coco_pope", path))


def test_the_shared_photos(shared_data):
    photos = shared_data("coco_photos")
    items = list(load("coco_pope", photos, photos / "images"))
    assert Counter((item.category, item.better) for item in items) == {
        (split, answer): 180 for split in ("random", "popular", "adversarial") for answer in (0, 1)
    }
    assert len({item.image for item in items}) == 60
    assert missing_images(items, photos / "images") == ([], 0)
