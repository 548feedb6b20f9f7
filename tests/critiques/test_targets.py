"""Targets: written with the evidence and learned without it, agreeing with it, both verdicts in equal number."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vlrm.claims.extract import extract_claims
from vlrm.critiques.selection import as_target, select_critiques
from vlrm.schema import CLAIMS, CRITIQUES, claim_to_json

RIGHT = "See: [1] star. Check: red star: yes. Verdict: right."
WRONG = "See: [1] star. Check: red star: no. Verdict: wrong."


def claims(**probability: float) -> pa.Table:
    """One response each, "There is a red star.", as probable as given."""
    said = extract_claims("There is a red star.")
    rows = [
        {"response_id": name, "claim_index": i, "image_sha256": "i", "claim": claim_to_json(claim), "probability": p}
        for name, p in probability.items()
        for i, claim in enumerate(said)
    ]
    return pa.Table.from_pylist(rows, CLAIMS)


def critiques(*rows: tuple[str, str, str]) -> pa.Table:
    """(response, text, verdict) each."""
    found = [
        {"critique_id": f"c{n}", "response_id": response, "text": text, "verdict": verdict, "parsed": True}
        for n, (response, text, verdict) in enumerate(rows)
    ]
    return pa.Table.from_pylist(found, CRITIQUES)


def test_both_verdicts_are_kept_in_equal_number():
    said = critiques(*[("true", RIGHT, "right")] * 7, *[("false", WRONG, "wrong")] * 3)
    accepted = select_critiques(said, claims(true=0.99, false=0.01), seed=0)
    verdicts = accepted.table["verdict"].to_pylist()
    assert (verdicts.count("right"), verdicts.count("wrong")) == (3, 3)
    assert accepted.counts == {"agrees": 10, "balanced_away": 4, "kept": 6}


@pytest.mark.parametrize(
    ("response", "text", "verdict", "reason"),
    [
        ("false", RIGHT, "right", "verdict_against_evidence"),
        ("true", WRONG, "wrong", "verdict_against_evidence"),
        ("unsure", RIGHT, "right", "verdict_against_evidence"),
        ("false", WRONG.replace("red star: no", "red star: yes; box: no"), "wrong", "check_against_evidence"),
        ("unknown", RIGHT, "right", "no_claim"),
    ],
)
def test_a_critique_that_the_evidence_does_not_share_is_no_target(response, text, verdict, reason):
    accepted = select_critiques(critiques((response, text, verdict)), claims(true=0.99, unsure=0.6, false=0.01), seed=0)
    assert accepted.counts[reason] == 1
    assert accepted.table.num_rows == 0


def test_a_refused_critique_keeps_the_parser_s_reason():
    row = {"critique_id": "c", "response_id": "true", "text": "?", "parsed": False, "reason": "empty_check"}
    accepted = select_critiques(pa.Table.from_pylist([row], CRITIQUES), claims(true=0.99), seed=0)
    assert accepted.counts["empty_check"] == 1


def test_a_target_is_learned_without_the_evidence_it_was_written_with():
    assert as_target(RIGHT) == "See: star. Check: red star: yes. Verdict: right."
