"""Candidates written about part of the evidence or about another image, and the answer that none of them gave."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from vlrm.policy import sources as module
from vlrm.policy.candidates import Distinct, sample_candidates
from vlrm.policy.examples import SHOWN, Example
from vlrm.policy.protocol import Sampling
from vlrm.policy.sources import Sources

PROMPTS = pa.table({
    "prompt_id": ["p0", "p1"], "image_sha256": ["i0", "i1"], "question": ["Describe it.", "Is there a dog?"],
})  # fmt: skip


class Scripted:
    def __init__(self, *texts: str) -> None:
        self.texts, self.shown = list(texts), []

    def write(self, requests, sampling, progress=None):
        self.shown += [request.conversation.image for request in requests]
        return [self.texts.pop(0) for _ in requests]


def drawn(*texts: str, sources: Sources | None = None, seed: int = 0):
    writer = Scripted(*texts)
    table = sample_candidates(writer, PROMPTS, 4, Sampling(), seed, Distinct(redraws=0), sources)
    return table.to_pylist(), writer.shown


def test_each_candidate_is_shown_what_its_source_says():
    rows, shown = drawn(*"abcd", "Yes.", "No.", "Yes, two.", "No dog.", sources=Sources())
    assert [row["source"] for row in rows] == ["sampled", "sampled", "partial", "other"] * 2
    assert shown[:2] == ["i0", "i0"] and shown[4:6] == ["i1", "i1"]
    assert all(shown[i].startswith("partial:") and shown[i].endswith(f":i{i // 4}") for i in (2, 6))
    assert (shown[3], shown[7]) == ("i1", "i0")
    assert all(row["image_sha256"] == f"i{row['prompt_id'][1]}" for row in rows)


def test_without_sources_nothing_changes():
    rows, shown = drawn(*"abcdefgh")
    assert {row["source"] for row in rows} == {"sampled"} and shown == ["i0"] * 4 + ["i1"] * 4


def test_what_is_left_out_depends_on_the_seed_alone():
    one, two, other = (drawn(*"abcdefgh", sources=Sources(), seed=seed)[1] for seed in (0, 0, 1))
    assert one == two != other


def test_the_answer_nobody_gave_is_one_candidate_more():
    rows, _ = drawn(*"abcd", "Yes.", "No, a dog is not.", "Yes it is.", "Yes she is.", sources=Sources())
    added = [row for row in rows if row["source"] == "opposite"]
    assert [(row["text"], row["prompt_id"], row["response_id"]) for row in added] == [("No", "p1", "p1-c4")]
    assert rows.index(added[0]) == len(rows) - 1
    unanswered = drawn(*"abcd", "A dog.", "It sits.", "A cat.", "Hm.", sources=Sources())[0]
    assert [row["text"] for row in unanswered if row["source"] == "opposite"] == ["Yes", "No"]
    assert len({row["response_id"] for row in unanswered}) == len(unanswered)
    assert not [r for r in drawn(*"abcd", *"efgh", sources=Sources(opposite=False))[0] if r["source"] == "opposite"]


def test_a_question_may_be_left_to_its_two_words():
    rows, shown = drawn(*"abcd", sources=Sources(sample_answers=False))
    assert shown[:2] == ["i0", "i0"] and len(shown) == 4
    answers = [(row["response_id"], row["text"], row["source"]) for row in rows if row["prompt_id"] == "p1"]
    assert answers == [("p1-c0", "Yes", "opposite"), ("p1-c1", "No", "opposite")]


def test_what_was_said_of_other_images_is_borrowed():
    prompts = pa.table({
        "prompt_id": ["p0", "p1", "p2", "p3"], "image_sha256": ["i0", "i1", "i2", "i0"],
        "question": ["Describe it."] * 3 + ["Is there a dog?"],
    })  # fmt: skip
    sources = Sources(order=("sampled", "partial"), borrowed=5, opposite=False, sample_answers=False)
    rows = sample_candidates(Scripted(*"abcdef"), prompts, 2, Sampling(), 0, None, sources).to_pylist()
    lent = {row["response_id"]: row["text"] for row in rows if row["source"] == "other"}
    assert {name: text for name, text in lent.items() if name.startswith("p0")}.keys() == {"p0-b0", "p0-b1"}
    assert {lent["p0-b0"], lent["p0-b1"]} == {"c", "e"}, "of every other image once, and no text about partial evidence"
    assert len(lent) == 6 and len({row["response_id"] for row in rows}) == len(rows)
    assert all(row["image_sha256"] == f"i{row['prompt_id'][1]}" for row in rows)


def test_of_many_images_a_few_are_drawn_to_borrow_from(monkeypatch):
    monkeypatch.setattr(module, "LENDERS", 6)
    prompts = [{"prompt_id": f"p{i}", "image_sha256": f"i{i:02}", "question": "Describe it."} for i in range(40)]
    rows = [module.candidate(prompt, 0, "sampled") | {"text": f"text {i}"} for i, prompt in enumerate(prompts)]
    lent = module.borrowed(rows, prompts, 3, 0)
    assert lent == module.borrowed(rows, prompts, 3, 0) != module.borrowed(rows, prompts, 3, 1)
    assert all(row["text"] != f"text {row['prompt_id'][1:]}" for row in lent)
    assert len(lent) > 100 and len({(row["prompt_id"], row["text"]) for row in lent}) == len(lent)
    assert len({row["text"] for row in lent}) > 25, "each prompt draws its own"


def test_examples_stand_before_a_request_to_describe_alone():
    class Asked(Scripted):
        def write(self, requests, sampling, progress=None):
            self.asked = [request.conversation.messages for request in requests]
            return super().write(requests, sampling, progress)

    pool = [Example(seen=f"In the picture, surely: thing {i}.", says=f"Thing {i}.") for i in range(9)]
    writer = Asked("A dog.", "A cat.", "Yes.", "No.")
    sample_candidates(writer, PROMPTS, 2, Sampling(), 0, examples=pool)
    assert [len(messages) for messages in writer.asked] == [2 * SHOWN + 1, 2 * SHOWN + 1, 1, 1]
    first, second = writer.asked[:2]
    assert first == second and [turn["role"] for turn in first] == ["user", "assistant"] * SHOWN + ["user"]
    texts = [turn["content"][0]["text"] for turn in first[:-1]]
    said = list(zip(texts[::2], texts[1::2], strict=True))
    assert len(set(said)) == SHOWN and set(said) <= {(f"{one.seen}\nDescribe it.", one.says) for one in pool}


def test_an_unknown_source_is_refused():
    with pytest.raises(ValidationError, match="order"):
        Sources(order=("sampled", "made up"))
