"""The objects that a text names: what it says is there, and what it denies."""

from __future__ import annotations

import pytest

from vlrm.claims.naming import objects_named


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
