"""Which pairs are offered, which side is chosen, and which claims drop out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from vlrm.claims.extract import extract_claims
from vlrm.rejection_sampling.offer import OFFERED, offer_pairs
from vlrm.schema import CLAIMS, PROMPTS, RESPONSES, claim_to_json

PROMPT = pa.Table.from_pylist([{"prompt_id": "p", "image_sha256": "s", "question": "Describe."}], schema=PROMPTS)


def tables(responses: list[dict[str, Any]], false: dict[str, set[str]]) -> tuple[pa.Table, pa.Table]:
    """``false``: by image, the values and nouns that are not there."""
    rows, claims = [], []
    for given in responses:
        row = {"prompt_id": "p", "image_sha256": "s", "source": "sampled", "sample": 0, **given}
        rows.append(row)
        for index, claim in enumerate(extract_claims(row["text"])):
            wrong = {claim.value, claim.subject.noun} & false[row["image_sha256"]]
            claims.append(
                {
                    "response_id": row["response_id"], "claim_index": index, "image_sha256": row["image_sha256"],
                    "kind": claim.kind, "claim": claim_to_json(claim), "start": claim.start, "end": claim.end,
                    "probability": 0.02 if wrong else 0.97, "verdict": "contradicted" if wrong else "supported",
                    "evidence_ids": [claim.subject.noun or ""], "families": "{}",
                }
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=RESPONSES), pa.Table.from_pylist(claims, schema=CLAIMS)


def test_all_distinct_candidates_meet_and_the_cleaner_one_is_chosen() -> None:
    texts = ["A red star.", "A blue star.", "A red star and a moon.", "A red star."]
    responses, claims = tables(
        [{"response_id": f"r{i}", "text": t} for i, t in enumerate(texts)], {"s": {"blue", "moon"}}
    )
    offered = offer_pairs(responses, claims, PROMPT)
    assert offered.schema == OFFERED
    rows = offered.to_pylist()
    assert {frozenset((r["chosen_id"], r["rejected_id"])) for r in rows} == {
        frozenset(pair) for pair in (("r0", "r1"), ("r0", "r2"), ("r1", "r2"))
    }
    best = next(r for r in rows if {r["chosen_id"], r["rejected_id"]} == {"r0", "r1"})
    assert best["chosen_id"] == "r0"
    assert best["q_plus"] > 0.9
    assert best["kind"] == "attribute"
    assert best["verifiable"] == 1.0
    assert best["rejected_lowest"] == pytest.approx(0.02)
    assert best["chosen_lowest"] == pytest.approx(0.97)
    assert best["severity"] == pytest.approx(0.95)
    assert best["question"] == "Describe."
    tied = next(r for r in rows if {r["chosen_id"], r["rejected_id"]} == {"r1", "r2"})
    assert abs(tied["q_plus"] - tied["q_minus"]) < 0.2


def test_shared_claims_drop_out_even_when_described_otherwise() -> None:
    texts = ["A small red star.", "A small blue star."]
    responses, claims = tables(
        [{"response_id": f"r{i}", "text": t} for i, t in enumerate(texts)], {"s": {"small", "blue"}}
    )
    (row,) = offer_pairs(responses, claims, PROMPT).to_pylist()
    # Only the colours differ; that both call it small, wrongly, decides nothing, but it is seen on the
    # chosen side.
    assert row["q_plus"] == pytest.approx(0.98 * 0.97)
    assert row["chosen_lowest"] == pytest.approx(0.02)


def test_edits_and_quads_meet_their_counterparts_only() -> None:
    said = [
        {"response_id": "r", "text": "A red star."},
        {"response_id": "c", "text": "A blue star.", "source": "counterfactual", "parent_id": "r", "edit_kind": "attribute",
         "quad_id": "c"},
        {"response_id": "qa", "text": "A red star.", "source": "quad", "parent_id": "r", "quad_id": "c", "image_sha256": "t"},
        {"response_id": "qb", "text": "A blue star.", "source": "quad", "parent_id": "c", "quad_id": "c", "image_sha256": "t"},
    ]  # fmt: skip
    responses, claims = tables(said, {"s": {"blue"}, "t": {"red"}})
    rows = {row["image_sha256"]: row for row in offer_pairs(responses, claims, PROMPT).to_pylist()}
    assert len(rows) == 2
    assert rows["s"]["chosen"] == rows["t"]["rejected"] == "A red star."
    assert rows["s"]["rejected"] == rows["t"]["chosen"] == "A blue star."
    assert {row["quad_id"] for row in rows.values()} == {"c"}
    assert {row["source"] for row in rows.values()} == {"counterfactual"}
    assert {row["kind"] for row in rows.values()} == {"attribute"}


def test_row_order_of_the_inputs_does_not_matter() -> None:
    texts = ["A red star.", "A blue star.", "A moon.", ""]
    said = [{"response_id": f"r{i}", "text": t} for i, t in enumerate(texts)]
    responses, claims = tables(said, {"s": {"blue"}})
    turned = responses.take(pa.array([3, 1, 0, 2]))
    assert offer_pairs(responses, claims, PROMPT).equals(offer_pairs(turned, claims, PROMPT))


def test_nothing_offered_is_an_empty_table() -> None:
    responses, claims = tables([{"response_id": "r", "text": "A star."}], {"s": set()})
    assert offer_pairs(responses, claims, PROMPT).num_rows == 0


@pytest.mark.parametrize(("count_silent", "sure"), [(True, False), (False, True)])
def test_claims_on_which_no_expert_says_anything_can_be_left_out(count_silent: bool, sure: bool) -> None:
    said = [{"response_id": "r", "text": "A red star and a moon."}, {"response_id": "o", "text": "A blue star."}]
    responses, claims = tables(said, {"s": {"blue"}})
    rows = claims.to_pylist()
    for row in rows:
        if '"moon"' in row["claim"]:
            row |= {"probability": 0.5, "verdict": "unverifiable", "families": '{"detector": 0.0}'}
        else:
            row["families"] = '{"detector": 4.0}'
    (pair,) = offer_pairs(responses, pa.Table.from_pylist(rows, schema=CLAIMS), PROMPT, count_silent).to_pylist()
    assert pair["chosen_id"] == "r"
    assert (pair["q_plus"] > 0.9) is sure
    assert pair["verifiable"] < 1, "what experts are silent about is told as ever"
