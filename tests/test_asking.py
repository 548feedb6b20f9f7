"""Questions about images that came without any: about what is seen there, and about what is seen elsewhere."""

from collections import Counter

import pyarrow as pa
import pytest
from pydantic import ValidationError

from vlrm.asking import Questions, ask_about
from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.schema import BROUGHT, SeenObject


def thing(noun: str, score: float = 0.9) -> SeenObject:
    return SeenObject(noun, (0.1, 0.1, 0.5, 0.5), score)


OBJECTS = {
    "a": [thing("dog"), thing("person"), thing("car", 0.2)],
    "b": [thing("dog"), thing("frisbee"), thing("person")],
    "c": [thing("oven"), thing("apple", 0.7)],
    "d": [],
}
IMAGES = [
    {"prompt_id": sha, "image": f"{sha}.jpg", "image_sha256": sha, "question": "Describe the image.",
     "kind": "description", "part": "user", "split": "gate"}
    for sha in OBJECTS
]  # fmt: skip


def nouns(rows, sha):
    asked = [row["question"] for row in rows if row["image_sha256"] == sha and row["kind"] == "existence"]
    return [extract_claims("Yes.", question, PHOTOS)[0].subject.noun for question in asked]


def test_twice_as_many_are_not_there_as_are_and_none_is_unsettled():
    rows = ask_about(IMAGES, OBJECTS, Questions(existence=6))
    assert pa.Table.from_pylist(rows, BROUGHT).num_rows == len(rows)
    for sha in "abc":
        there = {one.noun for one in OBJECTS[sha] if one.score >= 0.5}
        asked = nouns(rows, sha)
        assert len(asked) == len(set(asked)) and len(there & set(asked)) == 2
        assert len(asked) == {"a": 5, "b": 4, "c": 5}[sha]  # as far as there are others
        assert "car" not in asked or sha != "a"  # seen faintly: neither there nor not
        assert set(asked) <= {"dog", "person", "frisbee", "oven", "apple", "car"}
    assert len(nouns(rows, "d")) == 2
    assert not nouns(ask_about(IMAGES, OBJECTS, Questions(existence=0)), "a")
    assert len(nouns(ask_about(IMAGES, OBJECTS, Questions(existence=1)), "a")) == 1


def test_what_is_suspected_is_asked_about_too():
    objects = OBJECTS | {"c": [*OBJECTS["c"], thing("kite", 0.05), thing("surfboard", 0.09), thing("tie", 0.02)]}
    asked = nouns(ask_about(IMAGES, objects, Questions(existence=3)), "c")
    assert len(asked) == 3 and "kite" in asked  # seen clearly in no image, so that nothing else would ask about it
    more = nouns(ask_about(IMAGES, objects, Questions(existence=7)), "c")
    assert {"kite", "surfboard"} <= set(more) and "tie" not in more


def test_what_keeps_company_with_what_is_seen_is_asked_about():
    assert "frisbee" in nouns(ask_about(IMAGES, OBJECTS, Questions()), "a")


def test_describing_questions_come_first_and_every_id_is_its_own():
    rows = ask_about(IMAGES, OBJECTS, Questions(describe=("What is here?",), existence=0))
    assert [(row["question"], row["kind"]) for row in rows] == [("What is here?", "description")] * 4
    many = ask_about(IMAGES, OBJECTS, Questions())
    assert max(Counter(row["prompt_id"] for row in many).values()) == 1
    turned = ask_about(list(reversed(IMAGES)), OBJECTS, Questions())
    assert {row["prompt_id"] for row in many} == {row["prompt_id"] for row in turned}


def test_articles_fit_and_a_wording_needs_a_place():
    asked = [row["question"] for row in ask_about(IMAGES, OBJECTS, Questions())]
    assert "Is there an oven in the image?" in asked and "Is there a dog in the image?" in asked
    with pytest.raises(ValidationError, match="has no"):
        Questions(wordings=("Is it there?",))
