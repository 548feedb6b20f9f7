"""Which pairs get critiques as the reward model reads them: a share, the same pairs in every round."""

from __future__ import annotations

import pyarrow as pa

from vlrm.pipelines.critique_generation.nodes import _to_criticise
from vlrm.pipelines.rm_training.nodes import criticised


def pairs(numbers: range, source: str = "candidates") -> pa.Table:
    one = {
        "image_sha256": "i",
        "question": "What is there?",
        "chosen": "A dog.",
        "rejected": "A cat.",
        "source": source,
    }
    return pa.Table.from_pylist([one | {"chosen_id": f"c{i}", "rejected_id": f"r{i}"} for i in numbers])


def test_all_responses_once_or_those_of_a_share_of_the_pairs() -> None:
    first, both = pairs(range(300)), [pairs(range(300)), pairs(range(200, 500))]
    assert [row["response_id"] for row in criticised([pairs(range(2))], 1.0)] == ["c0", "r0", "c1", "r1"]
    assert len(criticised(both, 1.0)) == 1000
    few = criticised([first], 0.2)
    assert 0.1 < len(few) / 600 < 0.3
    assert {row["response_id"][1:] for row in few if row["text"] == "A dog."} == {
        row["response_id"][1:] for row in few if row["text"] == "A cat."
    }
    assert [row["response_id"] for row in criticised(both, 0.2)][: len(few)] == [row["response_id"] for row in few]


def test_answers_to_questions_about_one_claim_are_not_criticised() -> None:
    assert len(criticised([pairs(range(2)), pairs(range(2, 9), "question")], 1.0)) == 4


def test_critics_are_given_every_text_of_a_prompt_once_or_a_share_of_them() -> None:
    prompts = pa.table({"prompt_id": ["p"], "question": ["What is there?"]})
    rows = [
        {"response_id": f"r{i}", "prompt_id": "p", "text": f"{i % 300} dogs.", "source": "sampled"} for i in range(600)
    ]
    quad = [{"response_id": "q", "prompt_id": "p", "text": "A dog.", "source": "quad"}]
    every = _to_criticise(rows + quad, prompts, 1.0)
    assert [row["response_id"] for row in every] == [f"r{i}" for i in range(300)]
    assert every[0]["question"] == "What is there?"
    few = [row["response_id"] for row in _to_criticise(rows, prompts, 0.5)]
    assert 100 < len(few) < 200 and set(few) <= {row["response_id"] for row in every}
