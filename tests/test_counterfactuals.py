"""Quads on images that nobody can redraw: another image is taken where the evidence bears the edited answer out."""

import numpy as np
import pyarrow as pa
import pytest

from vlrm.claims.calibration import calibration_examples
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.counterfactuals import CounterfactualSettings, edit_candidates
from vlrm.scenes.world import Scene, SceneObject, sample_scene
from vlrm.schema import CLAIMS, PROMPTS, RESPONSES, claim_to_json

QUESTION = "What is in the image?"


def thing(shape: str, colour: str, x: float, y: float = 0.5) -> SceneObject:
    return SceneObject(shape, colour, "medium", "plain", None, x, y, 0.1)


STAR = Scene((thing("star", "red", 0.3), thing("box", "green", 0.7)), 1)
OTHERS = {
    "twin": Scene((thing("star", "green", 0.3), thing("box", "green", 0.7)), 2),
    "alone": Scene((thing("star", "green", 0.3),), 3),
    "same": Scene((thing("star", "red", 0.3), thing("box", "green", 0.7)), 4),
}


@pytest.fixture(scope="module")
def reliability():
    rng = np.random.default_rng(0)
    truths = [sample_scene(rng).seen() for _ in range(120)]
    return Reliability.fit(calibration_examples([(truth, truth) for truth in truths], rng))


def quads(reliability, text: str, others: dict[str, Scene], kind: str = "free") -> list[dict]:
    """The quad rows made of one answer about the red star, whose colour is edited, among ``others``."""
    scenes = {"here": STAR} | others
    prompts = [
        {
            "prompt_id": name,
            "image": f"{name}.png",
            "image_sha256": name,
            "question": QUESTION,
            "kind": kind,
            "part": "user",
        }
        for name in scenes
    ]
    said = {
        "response_id": "r",
        "prompt_id": "here",
        "image_sha256": "here",
        "text": text,
        "source": "sampled",
        "sample": 0,
    }
    seen = {name: scene.seen() for name, scene in scenes.items()}
    claims = [
        {
            "response_id": "r",
            "claim": claim_to_json(claim),
            "probability": reliability.verify(claim, seen["here"]).probability,
        }
        for claim in extract_claims(text, QUESTION)
    ]
    found = []
    for seed in range(12):  # the colour is drawn; the green of the box is the likeliest
        edits = edit_candidates(
            pa.Table.from_pylist([said], RESPONSES), pa.Table.from_pylist(claims, CLAIMS),
            pa.Table.from_pylist(prompts, PROMPTS), seen, reliability, CounterfactualSettings(kinds=("attribute",)),
            seed, {}, lambda scene: pytest.fail("nothing can be redrawn here"),
        )  # fmt: skip
        assert any(row["source"] == "counterfactual" for row in edits.responses)
        found += [row for row in edits.responses if row["source"] == "quad"]
    return found


def test_the_other_image_bears_out_the_edit_and_not_the_original(reliability):
    rows = quads(reliability, "There is a red star.", {"alone": OTHERS["alone"], "same": OTHERS["same"]})
    assert rows and {row["image_sha256"] for row in rows} == {"alone"}
    assert {row["text"] for row in rows} == {"There is a red star.", "There is a green star."}


def test_what_else_is_said_must_hold_there_too(reliability):
    text = "There is a red star. There is a green box."
    assert quads(reliability, text, {"alone": OTHERS["alone"], "same": OTHERS["same"]}) == []
    assert {row["image_sha256"] for row in quads(reliability, text, OTHERS)} == {"twin"}


def test_a_description_is_shortened_where_no_image_bears_all_of_it_out(reliability):
    text = "There is a green box. There is a red star."
    rows = quads(reliability, text, {"alone": OTHERS["alone"], "same": OTHERS["same"]}, kind="description")
    texts = {row["text"] for row in rows if row["image_sha256"] == "alone"}
    assert texts == {"There is a red star.", "There is a green star."}
    # Where another image bears out the whole answer, the whole answer is kept.
    assert any(row["text"] == text for row in quads(reliability, text, OTHERS, kind="description"))
