"""Which pairs get critiques as the reward model reads them: a share, the same pairs in every round."""

from __future__ import annotations

import pyarrow as pa

from vlrm.pipelines.rm_training.nodes import criticised


def pairs(numbers: range) -> pa.Table:
    one = {"image_sha256": "i", "question": "What is there?", "chosen": "A dog.", "rejected": "A cat."}
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
