"""Exams from rendered scenes' truth: every order, quad and paraphrase is checked against it."""

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.truth import holds
from vlrm.evaluation.baselines import length_margin, text_only_margin
from vlrm.evaluation.bootstrap import image_clusters
from vlrm.evaluation.exam import ExamSizes, build_exam, original_items
from vlrm.evaluation.judged import judge, pair_part
from vlrm.evaluation.outcomes import credit
from vlrm.evaluation.paraphrase import paraphrase
from vlrm.scenes.questions import answer, ask
from vlrm.scenes.world import (
    COLOURS,
    SHAPES,
    USUAL,
    Scene,
    SceneObject,
    as_web_writes,
    change_one_fact,
    sample_scene,
)
from vlrm.schema import EXAM, PROMPTS, RESPONSES

PARTS = ("iid", "iid", "prior_breaking", "prior_conforming", "unseen_combination")
SIZES = ExamSizes(organic=90, edited=60, quads=60, groups=30)


def sha_of(scene: Scene) -> str:
    return hashlib.sha256(scene.to_json().encode()).hexdigest()


def store(scene: Scene) -> tuple[str, str]:
    return f"quads/{sha_of(scene)[:8]}.png", sha_of(scene)


def careless(scene: Scene, rng: np.random.Generator) -> Scene:
    """What a policy that errs would see: habit speaks first, and sometimes a shape or a colour is mistaken."""
    told = as_web_writes(scene, rng, 0.4)
    for index in range(len(told.objects)):
        if rng.random() < 0.2:
            name, values = ("colour", list(COLOURS)) if rng.random() < 0.6 else ("shape", list(SHAPES))
            told = change_one_fact(told, index, name, str(rng.choice(values)), rng) or told
    return told


def world(prompts: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    rows, scenes, said = [], {}, []
    while len(rows) < prompts:
        part = PARTS[len(rows) % len(PARTS)]
        scene = sample_scene(rng, part)
        question = ask(scene, rng)
        sha, name = sha_of(scene), f"p{len(rows)}"
        scenes[sha] = scene
        facts = {"prompt_id": name, "image": f"{sha[:8]}.png", "image_sha256": sha}
        rows.append(facts | {"question": question.text, "kind": question.kind, "part": part})
        for sample in range(6):
            seen = scene if sample < 2 else careless(scene, rng)
            text = answer(question, seen, rng)
            facts = {
                "response_id": f"{name}-{sample}",
                "prompt_id": name,
                "image_sha256": sha,
                "sample": sample,
            }
            said.append(facts | {"text": text, "source": "sampled"})
    return pa.Table.from_pylist(rows, schema=PROMPTS), scenes, pa.Table.from_pylist(said, schema=RESPONSES)


@pytest.fixture(scope="module")
def made():
    prompts, scenes, responses = world(260)
    exam, fresh = build_exam(prompts, scenes, responses, "report", np.random.default_rng(1), SIZES, store)
    return exam, scenes, fresh


def false_claims(text: str, question: str, scene: Scene) -> int:
    return len({c.key() for c in extract_claims(text, question) if not holds(c, scene.seen())})


def test_asked_for_is_made(made):
    exam, _, fresh = made
    assert exam.schema == EXAM
    rows = original_items(exam).to_pylist()
    assert len({row["item_id"] for row in exam.to_pylist()}) == len(exam)
    assert sum(row["source"] == "organic" for row in rows) == SIZES.organic
    assert sum(row["source"] == "edited" and row["quad_id"] is None for row in rows) == SIZES.edited
    assert len({row["quad_id"] for row in rows} - {None}) == SIZES.quads
    assert len(fresh) == SIZES.quads
    assert {row["part"] for row in rows} == {
        "iid",
        "prior_breaking",
        "prior_conforming",
        "unseen_combination",
    }
    assert {row["kind"] for row in rows} >= {"existence", "count", "attribute", "relation"}
    assert all(row["split"] == "report" and row["experts_right"] is None for row in rows)


def test_every_chosen_answer_has_fewer_false_claims(made):
    exam, scenes, fresh = made
    scenes = scenes | dict(fresh)
    for row in exam.to_pylist():
        scene = scenes[row["image_sha256"]]
        counts = [false_claims(row[side], row["question"], scene) for side in ("chosen", "rejected")]
        assert counts[0] < counts[1]
        if row["source"] == "edited":
            assert counts[0] == 0


def test_quads_turn_round(made):
    exam, scenes, fresh = made
    pairs = {}
    for row in original_items(exam).to_pylist():
        if row["quad_id"] is not None:
            pairs.setdefault(row["quad_id"], []).append(row)
    for first, second in pairs.values():
        assert (first["chosen"], first["rejected"]) == (second["rejected"], second["chosen"])
        assert first["question"] == second["question"]
        before, after = scenes[first["image_sha256"]], dict(fresh)[second["image_sha256"]]
        assert before.seed == after.seed
        assert len(set(before.objects) ^ set(after.objects)) <= 4
        assert second["image"].startswith("quads/")


def test_groups_are_three_wordings_with_the_same_claims(made):
    exam, _, _ = made
    groups = {}
    for row in exam.to_pylist():
        if row["group_id"] is not None:
            groups.setdefault(row["group_id"], []).append(row)
    assert len(groups) == SIZES.groups
    assert {("quad" if g[0]["quad_id"] else g[0]["source"]) for g in groups.values()} == {
        "quad",
        "organic",
        "edited",
    }
    for name, wordings in groups.items():
        assert len(wordings) == 3
        assert wordings[0]["item_id"] == name
        assert len({row["chosen"] for row in wordings}) == 3
        assert all(row["quad_id"] is None for row in wordings[1:])
        for side in ("chosen", "rejected"):
            said = [{c.key() for c in extract_claims(row[side], row["question"])} for row in wordings]
            assert said[0] == said[1] == said[2]


def test_neither_length_nor_words_give_the_order_away(made):
    exam, _, _ = made
    frame = pl.DataFrame(pl.from_arrow(original_items(exam)))
    organic = (frame["source"] == "organic").to_numpy()
    assert credit(length_margin(frame))[organic].mean() == pytest.approx(0.5, abs=0.08)
    assert credit(length_margin(frame)).mean() == pytest.approx(0.5, abs=0.08)
    assert credit(text_only_margin(frame, image_clusters(frame))).mean() == pytest.approx(0.5, abs=0.12)


def test_same_seed_same_exam():
    prompts, scenes, responses = world(40, seed=5)
    sizes = ExamSizes(organic=10, edited=8, quads=8, groups=4)
    one, other = (
        build_exam(prompts, scenes, responses, "gate", np.random.default_rng(3), sizes, store)[0] for _ in range(2)
    )
    assert one.equals(other)


def test_too_few_responses_warn_and_give_what_there_is(caplog):
    prompts, scenes, responses = world(10, seed=6)
    exam, _ = build_exam(prompts, scenes, responses, "gate", np.random.default_rng(3), SIZES, store)
    assert 0 < len(exam) < 300
    assert "organic items of the 90 asked for" in caplog.text
    rows = original_items(exam).to_pylist()
    quads = len({row["quad_id"] for row in rows} - {None})
    singles = sum(row["source"] == "edited" and row["quad_id"] is None for row in rows)
    assert abs(quads - singles) <= 5


def test_counterfactuals_in_the_table_are_not_taken_for_samples():
    prompts, scenes, responses = world(10, seed=6)
    edited = responses.set_column(4, "source", pa.array(["counterfactual"] * len(responses)))
    exam, fresh = build_exam(prompts, scenes, edited, "gate", np.random.default_rng(3), SIZES, store)
    assert len(exam) == 0
    assert fresh == []


def star(colour: str) -> Scene:
    return Scene((SceneObject("star", colour, "large", "plain", None, 0.5, 0.5, 0.14),), 1)


@pytest.mark.parametrize(
    ("actual", "said", "part"),
    [("green", "yellow", "prior_breaking"), ("yellow", "green", "prior_conforming"), ("green", "red", "iid")],
)
def test_parts_follow_the_prior(actual, said, part):
    assert USUAL["star"] == "yellow"
    scene = star(actual)
    chosen, rejected = (judge(f"There is a {c} star.", "What can you see?", scene.seen()) for c in (actual, said))
    assert (chosen.false_count, rejected.false_count) == (0, 1)
    assert pair_part(chosen, rejected, scene, "prior_conforming") == part


def test_unseen_combinations_are_a_part_of_their_own():
    scene = Scene((SceneObject("heart", "cyan", "large", "plain", None, 0.5, 0.5, 0.14),), 1)
    chosen, rejected = (judge(f"I see a {c} heart.", "", scene.seen()) for c in ("cyan", "red"))
    assert pair_part(chosen, rejected, scene, "unseen_combination") == "unseen_combination"
    assert pair_part(chosen, rejected, scene, "iid") == "prior_breaking"


def test_a_paraphrase_keeps_the_pair_minimal():
    question = "What colour is the ball?"
    chosen, rejected = "The ball is red. There is a star.", "The ball is blue. There is a star."
    for seed in range(20):
        fresh = paraphrase(question, chosen, rejected, np.random.default_rng(seed))
        assert fresh is not None
        assert fresh[1].replace("red", "blue") == fresh[2]


def test_on_photos_a_paraphrase_keeps_their_objects_and_their_names():
    question = "Is there a dog?"
    chosen, rejected = "There is a dog. There is a sports ball.", "There is a cat. There is a sports ball."
    found = [paraphrase(question, chosen, rejected, np.random.default_rng(seed), (), PHOTOS) for seed in range(20)]
    reworded = [fresh for fresh in found if fresh is not None]
    assert reworded
    for fresh in reworded:
        assert "dog" in fresh[1] and "cat" in fresh[2] and all("sports ball" in text for text in fresh[1:])


def test_what_cannot_be_reworded_is_left_out():
    assert paraphrase("Why?", "Hm.", "Ah.", np.random.default_rng(0)) is None
