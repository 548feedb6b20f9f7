"""A set that words or length give away is found; one whose preferences turn round with the image is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from test_select import pair

from vlrm.evaluation.bootstrap import Resampler, image_clusters
from vlrm.rejection_sampling.shortcuts import find_shortcuts, weighted
from vlrm.schema import PAIRS, QUESTION

DEFAULTS = {"weight": 1.0, "margin": 0.0, "reward_margin": 0.5, "twin_id": None, "refused": None}


def table(rows) -> pa.Table:
    return pa.Table.from_pylist(
        [{k: v for k, v in (DEFAULTS | row).items() if k in PAIRS.names} for row in rows], PAIRS
    )


def told_by_words(number: int):
    return [pair(i, chosen=f"a red ball {i % 7}", rejected=f"a blue ball {i % 7}") for i in range(number)]


def questions(number: int, images: int, told: bool):
    """Quads each of which joins two of ``images``; ``told``: beside them pairs that words give away."""
    rows = [
        pair(2 * i + side, image_sha256=f"image {(i * (side + 1) + side) % images}", chosen=chosen, rejected=rejected,
             source=QUESTION, quad_id=f"quad {i}")
        for i in range(number)
        for side, (chosen, rejected) in enumerate(((f"yes ball {i}", f"no ball {i}"), (f"no ball {i}", f"yes ball {i}")))
    ]  # fmt: skip
    if told:
        rows += [
            pair(2 * number + i, image_sha256=f"image {i % images}", chosen=f"a red ball {i % 7}", rejected=f"a blue ball {i % 7}")
            for i in range(60)
        ]  # fmt: skip
    return rows


def test_words_are_judged_on_other_images_though_questions_join_them_all():
    rows = table(questions(number=60, images=20, told=True))
    assert len(set(image_clusters(pl.DataFrame(rows)).tolist())) == 20
    found = find_shortcuts(rows, draws=200)
    assert found.text_only is not None
    assert found.text_only.value == pytest.approx((60 + 120 / 2) / 180, abs=0.03)


def test_what_whole_answers_give_away_is_not_hidden_by_questions_that_give_nothing_away():
    found = find_shortcuts(table(questions(number=300, images=20, told=True)), draws=200)
    assert found.text_only is not None and found.text_only.value < 0.6
    assert found.text_only_answers is not None and found.text_only_answers.value > 0.95
    assert any("words alone" in warning and "whole answers" in warning for warning in found.warnings)
    assert find_shortcuts(table(told_by_words(60)), draws=200).text_only_answers is None


def test_a_refused_pair_tells_which_image_was_rendered_from_which():
    """What holds of one scene alone is not learned on its rendering and asked of the scene itself."""
    rows = []
    for i in range(40):
        own, rendered = f"image {i}", f"image {i} rendered"
        better, worse = (f"a ball {i}", f"a cube {i}")[:: 1 if i % 2 else -1]
        said = {"chosen": better, "rejected": worse}
        quad = {"quad_id": f"k{i}", "source": "counterfactual", "refused": "undecided"}
        rows += [
            pair(4 * i, image_sha256=own, **said),
            pair(4 * i + 1, image_sha256=rendered, source=QUESTION, **said),
            pair(4 * i + 2, image_sha256=own, **quad),
            pair(4 * i + 3, image_sha256=rendered, **quad),
        ]
    found, alone = (find_shortcuts(table(some), draws=200) for some in (rows, [r for r in rows if "refused" not in r]))
    assert found.pairs == alone.pairs == 80
    assert found.text_only is not None and found.text_only.value < 0.6
    assert alone.text_only is not None and alone.text_only.value > 0.7


def test_a_quad_across_two_folds_is_not_learned_in_reverse():
    found = find_shortcuts(table(questions(number=60, images=20, told=False)), draws=200)
    assert found.text_only is not None
    assert found.text_only.value == pytest.approx(0.5, abs=0.1)


def test_words_that_tell_are_warned_of():
    found = find_shortcuts(table(told_by_words(60)), draws=200)
    assert found.text_only is not None and found.text_only.value > 0.95
    assert any("words alone" in warning and "rule.quad_share" in warning for warning in found.warnings)


def test_turned_round_they_tell_nothing():
    rows = []
    for i, row in enumerate(told_by_words(60)):
        turned = row | {
            "pair_id": f"t{i}", "image_sha256": f"t{i}", "chosen": row["rejected"], "rejected": row["chosen"],
        }  # fmt: skip
        rows += [row | {"quad_id": f"k{i}"}, turned | {"quad_id": f"k{i}"}]
    found = find_shortcuts(table(rows), draws=200)
    assert found.text_only is not None and found.text_only.value == 0.5
    assert found.quad_share == 1.0 and found.warnings == []


def test_an_edit_without_its_other_image_is_in_no_quad():
    rows = [pair(i) | {"quad_id": name} for i, name in enumerate(["a", "a", "b", None])]
    found = find_shortcuts(table(rows), draws=50)
    assert found.quad_share == 0.5 and not any("in quads" in warning for warning in found.warnings)
    fewer = find_shortcuts(table([*rows, pair(9)]), draws=50)
    assert any("40% of the kept pairs are in quads" in warning for warning in fewer.warnings)


def test_length_that_tells_is_warned_of():
    rows = [pair(i, chosen="short", rejected=f"a much longer answer {i}") for i in range(60)]
    assert any("length alone" in warning for warning in find_shortcuts(table(rows), draws=200).warnings)


def test_weights_count():
    right, weight = np.array([1.0, 0.0, np.nan]), np.array([3.0, 1.0, 100.0])
    figure = weighted(right, weight, Resampler(np.arange(3), 50))
    assert figure is not None and figure.value == 0.75 and figure.n == 2
    heavy = table([pair(0), *[pair(i) | {"weight": 0.01} for i in range(1, 50)]])
    assert find_shortcuts(heavy, draws=50).effective_pairs < 3


def test_an_empty_set_has_no_figures():
    found = find_shortcuts(table([]), draws=10)
    assert found.pairs == 0 and found.text_only is None and found.shorter is None and found.warnings == []
