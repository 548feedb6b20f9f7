"""Prompts that go on from those read a moment ago: the same token, less to read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlrm import chat
from vlrm.policy.local import LocalWriter, generate
from vlrm.policy.protocol import Request, Sampling, row_seed
from vlrm.policy.remembered import Remembered, beginnings
from vlrm.vlm import Conversation

QUESTIONS = ["What is in the image?", "Is there a star?", "What is in the image? Is there a star?"]
OPENINGS = ["See: star.", "See: star. Check: a red star: yes;", "See: star. Check: a red star: yes; the word: no; it"]


@pytest.fixture
def requests(tiny):
    vlm, images = tiny
    rows = [Conversation(images[i % len(images)], chat.ask(q)) for i, q in enumerate(QUESTIONS)]
    return vlm, [Request(row, row_seed(i), OPENINGS[0]) for i, row in enumerate(rows)]


@pytest.fixture
def read(requests):
    """(rows, tokens) of each forward pass."""
    vlm, _ = requests
    shapes = []
    handle = vlm.model.register_forward_pre_hook(
        lambda module, args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    handle.remove()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_openings_that_grow_are_read_on_and_say_the_same(requests, read, temperature):
    vlm, rows = requests
    assert Remembered.can(vlm)
    one = Sampling(max_new_tokens=1, temperature=temperature)
    writer = LocalWriter(vlm)
    heard = []
    for turn, opening in enumerate(OPENINGS):
        rows = [replace(row, opening=opening, seed=row.seed + turn) for row in rows][: 3 - turn]  # some are finished
        before = len(read)
        written = writer.write(rows[::-1], one, heard.append)[::-1]
        tokens = sum(count * width for count, width in read[before:])
        assert written == generate(vlm, rows, one)
        count, width = read[-1]
        # Two of the three prompts are about one image, which is read once.
        assert tokens < count * width * (0.9 if turn == 0 else 0.5)
    assert heard == [3, 2, 1]


def test_what_does_not_go_on_from_the_last_batch_is_read_whole(requests, read):
    vlm, rows = requests
    one = Sampling(max_new_tokens=1)
    writer = LocalWriter(vlm)
    writer.write(rows, one)
    for others in (rows, [replace(row, opening="Look: star.") for row in rows]):  # the same again; something else
        before = len(read)
        said = writer.write(others, one)
        images = read[before]
        assert said == generate(vlm, others, one)
        assert len(read) == before + 3 and images[0] == 2 and images[1] > read[-1][1] / 2  # two, and what all ask
    swapped = [replace(row, opening=OPENINGS[1], conversation=replace(row.conversation, image=None)) for row in rows]
    assert writer.write(swapped, one) == generate(vlm, swapped, one)


def test_prompts_about_an_image_share_what_they_begin_with_as_long_as_that_holds_the_image():
    red, blue = [7, 1, 1, 2], [7, 1, 1, 5]
    asked = [("red", [*red, 3, 4]), ("red", [*red, 3]), ("blue", [*blue, 9]), (None, [7, 8])]
    assert beginnings(asked, image_token=1) == [("red", red), ("blue", blue), (None, [7])]
    assert beginnings([("red", [7, 1, 1, 2]), ("red", [8, 1, 1, 2])], image_token=1) == [
        ("red", [7, 1, 1]), ("red", [8, 1, 1])
    ]  # fmt: skip
    assert beginnings([("red", [7, 3, 1, 2]), ("red", [7, 1, 1, 2])], image_token=1) == [
        ("red", [7, 3, 1]), ("red", [7, 1, 1])
    ]  # fmt: skip


def test_more_requests_than_a_batch_and_more_tokens_than_one_are_generated(requests, monkeypatch):
    vlm, rows = requests
    writer = LocalWriter(vlm)
    monkeypatch.setattr(Remembered, "logits", None)
    assert len(writer.write(rows, Sampling(max_new_tokens=1, batch_size=2))) == 3
    assert len(writer.write(rows, Sampling(max_new_tokens=2))) == 3
    assert writer.write([], Sampling(max_new_tokens=1)) == []


def test_a_penalty_on_what_was_said_needs_the_whole_text(requests, monkeypatch):
    vlm, rows = requests
    monkeypatch.setattr(vlm.model.generation_config, "repetition_penalty", 1.2)
    assert not Remembered.can(vlm)
    one = Sampling(max_new_tokens=1)
    assert LocalWriter(vlm).write(rows, one) == generate(vlm, rows, one)
