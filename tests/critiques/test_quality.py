"""Each figure of the critiques on a few whose truth is known by hand."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from vlrm.claims.extract import extract_claims
from vlrm.critiques.agreement import agreement, verdicts_by_response
from vlrm.critiques.quality import MEASURES, judge_responses, measure
from vlrm.scenes.world import Scene, SceneObject
from vlrm.schema import CLAIMS, CRITIQUES, RESPONSES, SeenObject, claim_to_json

STAR = SceneObject("star", "red", "small", "plain", None, 0.3, 0.3, 0.1)
BOX = SceneObject("box", "blue", "large", "plain", None, 0.7, 0.7, 0.2)
SCENES = {"i": Scene((STAR, BOX), 0)}
EVIDENCE = {"i": [SeenObject("star", (0, 0, 1, 1)), SeenObject("box", (0, 0, 1, 1))]}
SAID = {"true": "There is a red star.", "false": "There is a red star and a green box."}
LINKS = pa.Table.from_pylist([], RESPONSES)

RIGHT = "See: [1] star; [2] blue box. Check: red star: yes. Verdict: right."
WRONG = "See: [1] star; [2] blue box. Check: red star: yes; green box: no. Verdict: wrong."


def claims(probability: float = 0.99, image: str = "i") -> pa.Table:
    """The claims of both responses; the evidence believes true ones as much as given, and false ones as little."""
    rows = []
    for name, text in SAID.items():
        for n, claim in enumerate(extract_claims(text)):
            p = 1 - probability if claim.value == "green" else probability
            rows.append({"response_id": name, "claim_index": n, "image_sha256": image, "probability": p}
                        | {"claim": claim_to_json(claim)})  # fmt: skip
    return pa.Table.from_pylist(rows, CLAIMS)


def table(*rows: tuple[str, str, str | None, str | None]) -> pa.Table:
    """(response, text, verdict, reason) each, written with the evidence."""
    found = [
        {"critique_id": str(n), "response_id": response, "image_sha256": "i", "sample": n, "with_evidence": True,
         "template": "embedded-1", "text": text, "verdict": verdict, "parsed": reason is None, "reason": reason}
        for n, (response, text, verdict, reason) in enumerate(rows)
    ]  # fmt: skip
    given = verdicts_by_response(found)
    for row in found:
        row["agreement"] = agreement(row["verdict"], given.get(row["response_id"], Counter()))
    return pa.Table.from_pylist(found, CRITIQUES)


def measured(*rows, scenes=SCENES, probability=0.99):
    return measure(
        table(*rows), judge_responses(claims(probability), scenes), EVIDENCE, LINKS, lambda t: [len(x) for x in t]
    )


def test_verdicts_and_checks_are_held_against_exact_truth():
    found = measured(
        ("true", RIGHT, "right", None),
        ("true", RIGHT, "right", None),
        ("false", WRONG, "wrong", None),
        ("false", WRONG.replace("no", "yes").replace("wrong", "right"), "right", None),
    ).figures
    assert found["verdict_accuracy"].value == 0.75
    assert found["verdict_accuracy_agreed"].value == 1.0
    assert found["verdict_accuracy_agreed"].n == 2
    assert found["check_accuracy"].value == pytest.approx(5 / 6)
    assert found["false_claims_caught"].value == 0.5
    assert found["true_claims_confirmed"].value == 1.0
    assert found["self_consistency"].value == pytest.approx((1.0 + 0.5) / 2)
    assert found["answers_without_falsehood"].value == 0.5


def test_without_truth_only_the_evidence_judges_and_only_where_it_is_sure():
    rows = [("true", RIGHT, "right", None), ("false", RIGHT, "right", None)]
    found = measured(*rows, scenes={}).figures
    assert "verdict_accuracy" not in found
    assert "check_accuracy" not in found
    assert found["verdict_by_evidence"].value == 0.5
    assert "verdict_by_evidence" not in measured(*rows, scenes={}, probability=0.7).figures


def test_a_citation_must_exist_and_name_the_object_of_its_item():
    text = "See: [1] red star; [2] yellow star; [3] ball. Check: red star: yes. Verdict: right."
    found = measured(("true", text, None, "cites_nothing")).figures
    assert found["citations_exist"].value == pytest.approx(2 / 3)
    assert found["citations_fit"].value == 0.5


def test_refusals_are_counted_by_reason_and_measured_by_nothing_else():
    found = measured(("true", "?", None, "unparsed"), ("true", "!", None, "too_long"), ("true", RIGHT, "right", None))
    assert found.refused == {"too_long": 1, "unparsed": 1}
    assert found.figures["parsed"].value == pytest.approx(1 / 3)
    assert found.figures["verdict_accuracy"].n == 1
    assert found.templates == ["embedded-1"]
    assert found.tokens_mean == pytest.approx((1 + 1 + len(RIGHT)) / 3)


def test_every_share_lies_in_its_interval_and_is_known_by_name():
    found = measured(("true", RIGHT, "right", None), ("false", RIGHT, "right", None)).figures
    assert set(found) <= set(MEASURES)
    assert all(0 <= f.low <= f.value <= f.high <= 1 for f in found.values())


def test_no_critiques_no_figures():
    assert measured().figures == {}
    assert measured().tokens_mean is None


def test_responses_of_other_rounds_are_left_out():
    assert measured(("another", RIGHT, "right", None)).critiques == 0
