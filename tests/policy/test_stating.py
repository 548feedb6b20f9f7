"""Descriptions put together from what the experts are sure of."""

from __future__ import annotations

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.policy.sources import STATED, WRITTEN
from vlrm.policy.stating import FORMS, SURE, stated
from vlrm.schema import SeenObject

OBJECTS = {
    "street": [
        SeenObject(noun, (0, 0, 1, 1), score, {}, f"{noun}{score}")
        for noun, score in (("dog", 0.9), ("person", 0.8), ("person", 0.7), ("umbrella", SURE), ("cat", SURE - 0.01))
    ],
    "fog": [SeenObject("dog", (0, 0, 1, 1), 0.3, {}, "d")],
}


def prompts(image, number, question="Describe the image."):
    return [{"prompt_id": f"{image}{i}", "image_sha256": image, "question": question} for i in range(number)]


def test_only_what_is_sure_is_stated_and_read_back_as_that():
    texts = [row["text"] for row in stated(prompts("street", 60), OBJECTS, 2)]
    named = {
        claim.subject.noun for text in texts for claim in extract_claims(text, vocabulary=PHOTOS)
        if claim.kind == "existence"
    }  # fmt: skip
    assert named == {"dog", "person", "umbrella"}
    assert len(set(texts)) > sum(map(len, FORMS)) and all(text[0].isupper() and text.endswith(".") for text in texts)
    assert not any(" a umbrella" in text or "There is people" in text or "a people" in text for text in texts)


def test_each_request_to_describe_gets_as_many_distinct_ones():
    rows = stated(prompts("street", 20), OBJECTS, 2)
    by_prompt = [{row["text"] for row in rows if row["prompt_id"] == f"street{i}"} for i in range(20)]
    assert all(len(texts) == 2 for texts in by_prompt) and len({row["response_id"] for row in rows}) == 40
    assert rows == stated(prompts("street", 20), OBJECTS, 2) and {row["source"] for row in rows} == {STATED}
    assert STATED not in WRITTEN  # offered against their edits alone
    assert stated(prompts("street", 3, "Is there a dog in the image?"), OBJECTS, 2) == []
    assert stated(prompts("fog", 3), OBJECTS, 2) == [] == stated(prompts("nowhere", 3), OBJECTS, 2)
