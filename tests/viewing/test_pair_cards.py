"""A pair as a card: its answers coloured by what the evidence says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from vlrm.claims.extract import extract_claims
from vlrm.images import store
from vlrm.schema import QUESTION, claim_to_json
from vlrm.viewing.pair import PairCards

if TYPE_CHECKING:
    from pathlib import Path

GREEN, RED = "#2a9d6a", "#d6453a"


def card(folder: Path, claims: list[dict[str, Any]] | None = None, **given: Any) -> str:
    sha = store(Image.new("RGB", (32, 32), "white"), folder)
    pair = {
        "image_sha256": sha, "question": "Is there a blue moon?", "chosen_id": "c", "rejected_id": "r",
        "chosen": "Yes, there is a blue moon.", "rejected": "No, there is no blue moon.", "kind": "attribute",
        "q_plus": 0.96, "q_minus": 0.04,
    } | given  # fmt: skip
    return PairCards(folder).add(claims=claims or []).card(pair)


def test_answers_to_a_claim_question_are_coloured_whole(tmp_path):
    shown = card(tmp_path, source=QUESTION)
    green, red = shown.index(GREEN), shown.index(RED)
    assert green < shown.index("Yes, there is a blue moon.") < red < shown.index("No, there is no blue moon.")
    assert "supported, p = 0.96" in shown and "contradicted, p = 0.04" in shown


def test_other_answers_are_coloured_where_their_claims_are(tmp_path):
    text = "There is a red star."
    said = [
        {"response_id": "c", "claim": claim_to_json(claim), "verdict": "supported", "probability": 0.9}
        for claim in extract_claims(text, "Describe the image.")
    ]
    shown = card(tmp_path, said, source="candidates", chosen=text, rejected="There is nothing.")
    assert GREEN in shown and RED not in shown
