"""Floors find the shortcuts planted for them and nothing else."""

import numpy as np
import polars as pl
import pytest
from made_up_exams import exam_of, item, realistic, score, scores_of

from vlrm.evaluation.balance import balanced_choice
from vlrm.evaluation.baselines import balanced_subset, baseline_figures, length_margin, text_only_margin
from vlrm.evaluation.outcomes import Outcomes, credit

COLOURS = ("red", "green", "blue", "pink")


def biased(share: float, items: int = 240, seed: int = 0) -> list[dict[str, object]]:
    """Pairs in which "yellow" is the chosen colour in this share of cases."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(items):
        usual, other = "There is a yellow star.", f"There is a {rng.choice(COLOURS)} star."
        chosen, rejected = (usual, other) if rng.random() < share else (other, usual)
        rows.append(item(f"i{number}", f"img{number // 2}", chosen=chosen, rejected=rejected))
    return rows


def outcomes_of(rows: list[dict[str, object]]) -> Outcomes:
    return Outcomes.read(exam_of(*rows), scores_of(*(score(str(r["item_id"]), 1.0) for r in rows)))


def test_length_counts_words():
    frame = pl.from_arrow(exam_of(item("a", chosen="A red star.", rejected="There is a red star here.")))
    assert isinstance(frame, pl.DataFrame)
    assert length_margin(frame).tolist() == [3.0]


def test_the_classifier_finds_a_word_that_gives_the_order_away():
    outcomes = outcomes_of(biased(1.0))
    right = credit(text_only_margin(outcomes.exam, outcomes.clusters))
    assert right.mean() == 1.0


def test_the_classifier_is_at_chance_on_quads():
    rows = []
    for number, row in enumerate(biased(0.5)):
        turned = {"chosen": row["rejected"], "rejected": row["chosen"], "image_sha256": f"new{number}"}
        rows += [
            row | {"quad_id": f"q{number}"},
            row | turned | {"item_id": f"t{number}", "quad_id": f"q{number}"},
        ]
    outcomes = outcomes_of(rows)
    assert credit(text_only_margin(outcomes.exam, outcomes.clusters)).mean() == pytest.approx(0.5)


def test_folds_keep_an_image_together():
    # The order is coded by a word that no other image has: only a fold that splits an image could use it.
    rows = []
    for number in range(60):
        pair = (f"There is a word{number}.", f"There is a other{number}.")
        pair = pair if number % 2 else pair[::-1]
        facts = {"chosen": pair[0], "rejected": pair[1]}
        rows += [item(f"{number}-{k}", f"img{number}", **facts) for k in range(3)]
    outcomes = outcomes_of(rows)
    assert credit(text_only_margin(outcomes.exam, outcomes.clusters)).mean() == pytest.approx(0.5, abs=0.15)


def test_too_few_images_for_folds_is_not_measured():
    outcomes = outcomes_of([item("a"), item("b")])
    assert np.isnan(text_only_margin(outcomes.exam, outcomes.clusters)).all()


def test_balanced_subset_puts_the_classifier_at_one_half():
    margin = np.r_[np.ones(70), -np.ones(30)]
    rows = balanced_subset(margin, np.ones(100, dtype=bool))
    assert credit(margin)[rows].mean() == 0.5
    assert rows.sum() == 60
    even = balanced_subset(np.r_[np.ones(51), -np.ones(49)], np.ones(100, dtype=bool))
    assert even.all()
    assert not balanced_subset(margin, np.zeros(100, dtype=bool)).any()


def test_figures_of_all_floors():
    exam, scores = realistic(1.0, items=120)
    figures, balanced = baseline_figures(Outcomes.read(exam, scores), draws=100)
    assert figures["shorter"] is not None
    assert figures["longer"] is not None
    assert figures["shorter"].value + figures["longer"].value == pytest.approx(1.0)
    assert figures["text_only_balanced"] is not None
    assert abs(figures["text_only_balanced"].value - 0.5) <= 0.02
    assert figures["majority_verdict"] is not None
    assert balanced.sum() == figures["text_only_balanced"].n


def test_choosing_for_balance_hides_length_and_words():
    rng = np.random.default_rng(0)
    pool = []
    for number in range(900):
        shorter = rng.random() < 0.7
        texts = [
            "There is a red star.",
            f"There is a {rng.choice(COLOURS)} star and one more {rng.choice(COLOURS)} box.",
        ]
        chosen, rejected = texts if shorter else texts[::-1]
        pool.append({"chosen": chosen, "rejected": rejected, "_of": str(number // 3)})

    def shorter_share(rows):
        return np.mean([len(r["chosen"]) < len(r["rejected"]) for r in rows])

    kept = balanced_choice(pool, 300, rng)
    assert len(kept) == 300
    assert shorter_share(pool) > 0.65
    assert shorter_share(kept) == pytest.approx(0.5, abs=0.03)
    assert max(np.unique([r["_of"] for r in kept], return_counts=True)[1]) <= 2
    assert balanced_choice(pool, 0, rng) == []
