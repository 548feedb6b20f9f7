"""What the evidence says of an exam pair: right, wrong or nothing."""

import pyarrow as pa
import pytest
from made_up_exams import exam_of, item

from vlrm.claims.extract import extract_claims
from vlrm.evaluation.best_of_n import best_of_n
from vlrm.evaluation.judged import truth_counts
from vlrm.evaluation.labeller import exam_responses, with_experts
from vlrm.scenes.world import Scene, SceneObject
from vlrm.schema import CLAIMS, EXAM, PROMPTS, RESPONSES, claim_to_json


def claims_of(exam: pa.Table, probability) -> pa.Table:
    """CLAIMS of both sides; ``probability(side, claim)`` is what verification would say."""
    responses, prompts = exam_responses(exam)
    assert responses.schema == RESPONSES
    assert prompts.schema == PROMPTS
    rows = []
    for row in responses.to_pylist():
        for index, claim in enumerate(extract_claims(row["text"])):
            chance = probability(row["response_id"].rpartition("/")[2], claim)
            facts = {"response_id": row["response_id"], "claim_index": index, "claim": claim_to_json(claim)}
            rows.append(facts | {"probability": chance})
    return pa.Table.from_pylist(rows, schema=CLAIMS)


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [(0.95, 0.02, True), (0.05, 0.9, False), (0.5, 0.45, None), (0.98, 0.98, None)],
)
def test_the_side_with_fewer_false_claims_is_preferred(chosen, rejected, expected):
    exam = exam_of(item("a"))

    def probability(side, claim):
        # Both sides say that there is a star; even when that is doubtful it must not count.
        return {"chosen": chosen, "rejected": rejected}[side] if claim.kind == "attribute" else 0.3

    filled = with_experts(exam, claims_of(exam, probability))
    assert filled.schema == EXAM
    assert filled["experts_right"].to_pylist() == [expected]
    assert filled.drop_columns(["experts_right"]).equals(exam.drop_columns(["experts_right"]))


def test_pairs_without_claims_are_silence():
    exam = exam_of(item("a", chosen="Hm.", rejected="Well."))
    assert with_experts(exam, claims_of(exam, lambda side, claim: 0.5))["experts_right"].to_pylist() == [None]


def test_truth_counts_feed_best_of_n():
    scene = Scene((SceneObject("star", "red", "large", "plain", None, 0.5, 0.5, 0.14),), 1)
    prompts = pa.Table.from_pylist([{"prompt_id": "p", "question": "What can you see?"}], schema=PROMPTS)
    texts = (
        "There is a blue star and a moon.",
        "There is a red star.",
        "I see a blue star. There is a blue star.",
    )
    rows = [
        {"response_id": f"r{i}", "prompt_id": "p", "image_sha256": "s", "sample": i, "text": text}
        for i, text in enumerate(texts)
    ]
    responses = pa.Table.from_pylist([*rows, rows[0] | {"image_sha256": "unknown"}], schema=RESPONSES)
    counts = truth_counts(prompts, {"s": scene}, responses)
    assert counts["false_claims"].to_list() == [2, 0, 1]
    assert counts["true_claims"].to_list() == [1, 2, 1]
    rewarded = counts.with_columns(reward=-counts["false_claims"].cast(float))
    points = {(p.choice, p.n): p.false_claims.value for p in best_of_n(rewarded, draws=20)}
    assert points[("first", 2)] == 2
    assert points[("reward", 2)] == 0
