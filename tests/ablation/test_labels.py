"""Labels against exact truth."""

from __future__ import annotations

import pyarrow as pa
import pytest
from made_up_arms import FALSE, RED_STAR, TRUE, pair

from vlrm.ablation.labels import LABELS, claims_by_truth, label_rounds, label_rows, pairs_of_arms
from vlrm.claims.extract import extract_claims
from vlrm.evaluation.outcomes import frame_of
from vlrm.rejection_sampling.offer import offer_pairs
from vlrm.schema import CLAIMS, PAIRS, PROMPTS, RESPONSES, claim_to_json

SCENES = {f"s{i}": RED_STAR for i in range(10)}


def kept(*rows: dict) -> pa.Table:
    names = set(PAIRS.names)
    return pa.Table.from_pylist([{k: v for k, v in row.items() if k in names} for row in rows], PAIRS)


def test_a_label_is_right_wrong_or_neither() -> None:
    rows = [
        pair(0),
        pair(1, chosen=FALSE, rejected=TRUE, reward_margin=-1.0),
        pair(2, chosen=FALSE, rejected="There is a green star."),
        pair(99),  # nothing is known about its image
    ]
    table = label_rows(kept(*rows), SCENES, "full", 2)
    assert table.schema == LABELS
    assert table["right"].to_pylist() == [1.0, 0.0, None, None]
    assert table["known"].to_pylist() == [True, True, True, False]
    assert table["mined"].to_pylist() == [False, True, False, False]
    (one,) = label_rounds([frame_of(table)])
    tied = one.figures["tied"]
    assert one.pairs == 4
    assert tied is not None
    assert (tied.n, tied.value) == (3, pytest.approx(1 / 3))  # what is not known is no tie
    assert set(table["round"].to_pylist()) == {2}


def test_label_errors_by_arm_and_round() -> None:
    good, bad = pair(0), {"chosen": FALSE, "rejected": TRUE}
    first = label_rows(kept(good, pair(1), pair(2), pair(3, **bad)), SCENES, "full", 1)
    second = label_rows(kept(good, pair(1, source="counterfactual", **bad), pair(2, chosen=FALSE)), SCENES, "full", 2)
    other = label_rows(kept(pair(4, reward_margin=-2.0)), SCENES, "self_labelled", 1)
    rounds = {(one.arm, one.round): one for one in label_rounds([frame_of(pa.concat_tables([first, second, other]))])}
    figure = rounds["full", 1].figures["label_error"]
    assert figure is not None
    assert (figure.value, figure.n) == (0.25, 4)
    assert figure.low < 0.25 < figure.high
    errors = {name: one.value for name, one in rounds["full", 2].figures.items() if one is not None}
    assert errors["label_error"] == pytest.approx(1 / 2)
    assert errors["label_error_candidates"] == 0.0
    assert errors["tied"] == pytest.approx(1 / 3)
    assert rounds["full", 2].figures["mined_error"] is None
    mined = rounds["self_labelled", 1].figures["mined"]
    assert mined is not None
    assert mined.value == 1.0
    assert pairs_of_arms(list(rounds.values()))["text_only"] == 7  # trained on the loop's own pairs
    assert pairs_of_arms(list(rounds.values()))["self_labelled"] == 1


def test_seeds_count_alike_whatever_their_size() -> None:
    right = frame_of(label_rows(kept(*[pair(i) for i in range(8)]), SCENES, "full", 1))
    wrong = frame_of(label_rows(kept(pair(9, chosen=FALSE, rejected=TRUE)), SCENES, "full", 1))
    one = label_rounds([right, wrong])[0]
    assert one.figures["label_error"] is not None
    assert one.figures["label_error"].value == 0.5


def test_claims_by_truth_turn_what_the_evidence_mistook() -> None:
    """The evidence sees a blue star; by truth the same two answers are offered the other way round."""
    texts = {"a": TRUE, "b": FALSE}
    responses = pa.Table.from_pylist(
        [
            {"response_id": name, "prompt_id": "p", "image_sha256": "s1", "text": text, "source": "sampled"}
            for name, text in texts.items()
        ],
        RESPONSES,
    )
    claims = pa.Table.from_pylist(
        [
            {
                "response_id": name, "claim_index": i, "image_sha256": "s1", "kind": claim.kind,
                "claim": claim_to_json(claim), "probability": 0.02 if claim.value == "red" else 0.97,
                "verdict": "supported", "evidence_ids": ["e1"],
            }
            for name, text in texts.items()
            for i, claim in enumerate(extract_claims(text))
        ],
        CLAIMS,
    )  # fmt: skip
    prompts = pa.Table.from_pylist([{"prompt_id": "p", "image_sha256": "s1", "question": "?"}], PROMPTS)
    assert offer_pairs(responses, claims, prompts)["chosen_id"].to_pylist() == ["b"]
    exact = offer_pairs(responses, claims_by_truth(claims, SCENES), prompts).to_pylist()
    assert [(row["chosen_id"], row["q_plus"], row["q_minus"]) for row in exact] == [("a", 1.0, 0.0)]
    assert exact[0]["verifiable"] == 1.0
    assert claims_by_truth(claims, {}).num_rows == 0
