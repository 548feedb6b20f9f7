"""Blank and swapped images: two-sided, on a subset that no reader of texts can tell apart."""

import numpy as np
import polars as pl
import pytest
from made_up_judgements import judged, pair, row, scored

from vlrm.evaluation.measuring.figures import figures_of


def figures(items, *rows, **options):
    return figures_of(items, pl.concat(rows), "made_up", model="a judge", draws=50, **options).figures


def test_by_hand_and_only_of_items_with_an_image_that_were_judged_twice():
    items = [pair(n, image=f"{n}.png") for n in range(4)] + [pair(4)]
    found = figures(
        items, scored(items, [1, 1, 1, -1, 1]), scored(items[:3], [1, -1, 0], "blank"), scored(items[4:], [1], "blank")
    )
    assert (found["blank_accuracy"].value, found["blank_accuracy"].n) == (pytest.approx(0.5), 3)
    assert found["blank_gain"].value == pytest.approx((0 + 1 + 0.5) / 3)
    assert found["blank_same"].value == pytest.approx(1 / 3)
    assert "swapped_accuracy" not in found


def test_a_judge_that_reads_only_words_keeps_its_accuracy_but_not_on_the_balanced_subset():
    rng = np.random.default_rng(0)
    items = [pair(n, int(rng.integers(2)), image=f"{n}.png") for n in range(400)]
    words = np.where(rng.random(400) < 0.8, 1.0, -1.0)  # what the texts alone give away
    looks = np.where(rng.random(400) < 0.9, 1.0, -1.0)
    coin = np.where(rng.random(400) < 0.5, 1.0, -1.0)
    text_only = {"text_only": scored(items, words)}
    reader = figures(items, scored(items, words), scored(items, words, "blank"), baselines=text_only)
    looker = figures(items, scored(items, looks), scored(items, coin, "blank"), baselines=text_only)
    assert reader["blank_accuracy"].value == pytest.approx(0.8, abs=0.05)
    assert reader["blank_accuracy_balanced"].value == pytest.approx(0.5)
    assert reader["text_only_balanced"].value == pytest.approx(0.5)
    assert (reader["blank_gain"].value, reader["blank_same"].value) == (0.0, 1.0)
    assert looker["blank_gain"].low > 0.3
    assert looker["blank_accuracy_balanced"].value == pytest.approx(0.5, abs=0.08)
    # the balanced subset is smaller, and a reader of words is right on half of what is left
    assert looker["blank_accuracy_balanced"].n < 200 < looker["blank_accuracy"].n


def test_an_unreadable_judgement_without_the_image_is_wrong():
    items = [pair(0, image="a.png"), pair(1, image="b.png")]
    blind = judged([row("k0", None, view="swapped", text="I see nothing"), row("k1", 0, view="swapped")])
    found = figures(items, scored(items, [1, 1]), blind)
    assert found["swapped_accuracy"].value == pytest.approx(0.5)
