"""The objects that a text names: what it says is there, and what it denies."""

from __future__ import annotations

import pytest

from vlrm.claims.naming import objects_named, phrases_named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("A dog sits near two people.", {"dog": True, "person": True}),
        ("There is no dog. I can see a cat.", {"dog": False, "cat": True}),
        ("There is no dog on the couch.", {"couch": True}),
        ("There is a dog. There is no dog.", {"dog": True}),
        ("Yes", {}),
        ("It is a sunny day.", {}),
    ],
)
def test_what_a_text_says_is_there_and_what_it_denies(text, named):
    assert objects_named(text) == named


@pytest.mark.parametrize(
    ("text", "question", "named"),
    [
        ("There is a small blue star and a heart.", "Describe the image.",
         {"small star": True, "blue star": True, "star": True, "heart": True}),
        ("No, I cannot see a blue star.", "Is there a blue star?", {"blue star": False}),
        ("Yes.", "Is there a star?", {"star": True}),
        ("Green.", "What colour is the heart?", {"green heart": True}),
        ("There are three stars.", "How many stars are there?", {}),
        ("It is a sunny day.", "Describe the image.", {}),
    ],
)  # fmt: skip
def test_phrases_named_are_shapes_with_each_attribute_they_are_given(text, question, named):
    assert phrases_named(text, question) == named
