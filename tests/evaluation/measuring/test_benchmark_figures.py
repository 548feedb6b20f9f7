"""Accuracies, coverage, order, groups, length and baselines of a benchmark: by hand and against scikit-learn."""

import warnings
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_judgements import judged, pair, row, scored, yes_no
from sklearn.metrics import balanced_accuracy_score

from vlrm.errors import UserError
from vlrm.evaluation.measuring.common_metrics import all_right
from vlrm.evaluation.measuring.figures import figures_of


def result_of(items, rows, **options):
    return figures_of(iter(items), rows, "made_up", model="a judge", **({"draws": 50} | options))


def values(result):
    return {name: figure.value for name, figure in result.figures.items()}


def test_a_tie_earns_half_and_what_cannot_be_read_is_wrong_but_for_the_official_rule():
    items = [pair(n, better=n % 2) for n in range(5)]
    rows = judged([row("k0", 0), row("k1", 0), row("k2", -1), row("k3", None, text="hm"), row("k4", 0)])
    result = result_of(items, rows)
    found = values(result)
    assert found["accuracy"] == pytest.approx((1 + 0 + 0.5 + 0 + 1) / 5)
    assert found["accuracy_official"] == pytest.approx(2 / 3)
    assert (found["coverage"], found["tied"], found["unparsed"]) == pytest.approx((0.6, 0.2, 0.2))
    assert (result.items, result.judged, result.scalar) == (5, 5, False)


def test_votes_are_counted_and_unreadable_ones_do_not_vote():
    items = [pair(0), pair(1), pair(2)]
    votes = {"k0": [0, 0, 1], "k1": [0, 1, None], "k2": [1, None, None]}
    rows = judged([row(key, said, vote=n, order=n % 2) for key, all_ in votes.items() for n, said in enumerate(all_)])
    found = values(result_of(items, rows))
    assert found["accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["accuracy_official"] == pytest.approx(0.5)
    assert found["unparsed"] == 0


def test_rewards_decide_where_there_are_any_and_are_averaged_over_critiques():
    items = [pair(0)]
    rewards = [(1.0, 0.0), (0.0, 3.0)]
    rows = judged([row("k0", 0 if a > b else 1, vote=n, rewards=(a, b)) for n, (a, b) in enumerate(rewards)])
    result = result_of(items, rows)
    assert result.figures["accuracy"].value == 0
    assert result.margins == [-1.0]
    assert result.scalar


def test_items_that_were_not_judged_are_counted_and_left_out():
    items = [pair(n) for n in range(4)]
    rows = judged([row("k0", 0), row("k1", None, problem="image gone"), row("k9", 1)])
    result = result_of(items, rows)
    assert (result.items, result.judged, result.strange) == (4, 1, 1)
    assert (result.figures["accuracy"].value, result.figures["accuracy"].n) == (1.0, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=40))
def test_accuracies_agree_with_scikit_learn(drawn):
    items = [pair(n, better, category=category) for n, (better, category, _) in enumerate(drawn)]
    rows = judged([row(f"k{n}", said) for n, (_, _, said) in enumerate(drawn)])
    right = [better == said for better, _, said in drawn]
    category = [name for _, name, _ in drawn]
    guessed = [name if ok else "wrong" for name, ok in zip(category, right, strict=True)]
    result = result_of(items, rows)
    assert result.figures["accuracy"].value == pytest.approx(np.mean(right))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that no category is called "wrong"
        macro = balanced_accuracy_score(category, guessed)
    assert result.figures["accuracy_macro"].value == pytest.approx(macro)
    for name, count in Counter(category).items():
        hits = sum(ok for ok, of in zip(right, category, strict=True) if of == name)
        assert (result.by_category[name].value, result.by_category[name].n) == (pytest.approx(hits / count), count)


def test_a_judge_that_always_says_one_is_exposed_by_the_order():
    items = [pair(n, better=0) for n in range(20)]  # the better answer stands first, as in VL-RewardBench
    in_file_order = judged([row(item.key, 0) for item in items])
    assert values(result_of(items, in_file_order))["accuracy"] == 1.0
    both = judged([row(item.key, order, order=order) for item in items for order in (0, 1)])
    found = values(result_of(items, both))
    assert (found["accuracy"], found["order_consistency"], found["both_orders_accuracy"]) == (0.5, 0.0, 0.0)
    assert (found["first_shown"], found["coverage"]) == (1.0, 0.0)


def test_order_figures_by_hand_and_only_of_items_asked_in_both_orders():
    items = [pair(n, better=0) for n in range(5)]
    said = {"k0": (0, 0), "k1": (1, 1), "k2": (0, 1), "k3": (None, 0), "k4": (0,)}
    rows = judged([row(key, one, order=order) for key, orders in said.items() for order, one in enumerate(orders)])
    found = values(result_of(items, rows))
    assert found["order_consistency"] == pytest.approx(2 / 4)
    assert found["both_orders_accuracy"] == pytest.approx(1 / 4)
    # k0 and k1 prefer one answer in both places, k2 what is first twice, k3 the second place once
    assert found["first_shown"] == pytest.approx((0.5 + 0.5 + 1 + 0) / 4)


def test_scalar_judges_have_no_order():
    items = [pair(n) for n in range(3)]
    assert "order_consistency" not in result_of(items, scored(items, [1, 1, -1])).figures


def test_acc_plus_asks_for_every_item_of_a_group():
    groups = ["g", "g", "h", "h", "i", None]
    items = [pair(n, group=group) for n, group in enumerate(groups)]
    found = result_of(items, scored(items, [1, 1, 1, -1, 0, 1])).figures["acc_plus"]
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0, None])), max_size=30))
def test_groups_agree_with_a_table_of_minima(drawn):
    group = np.array([number for number, _ in drawn], dtype=np.uint64)
    right = np.array([np.nan if one is None else one for _, one in drawn], dtype=float)
    table = pl.DataFrame(
        {"group": group, "right": [one for _, one in drawn]}, schema={"group": pl.UInt64, "right": pl.Float64}
    )
    table = (
        table.filter(pl.col("group") > 0)
        .group_by("group")
        .agg(pl.col("right").min(), pl.col("right").has_nulls().alias("not asked"))
    )
    expected = sorted((table.filter(~pl.col("not asked"))["right"] == 1.0).cast(pl.Float64))
    found = all_right(right, group)
    assert sorted(found[np.isfinite(found)]) == expected


def test_length_and_position_baselines_earn_half_for_a_tie():
    texts = [("ab", "abc"), ("abc", "ab"), ("ab", "cd"), ("é", "xy")]  # one character, whatever its bytes
    items = [pair(n, better=0, responses=both, category="c" if n else "b") for n, both in enumerate(texts)]
    found = result_of(items, scored(items, [1, 1, 1, 1])).baselines
    assert found["always_first"].accuracy.value == 1.0
    assert found["always_shorter"].accuracy.value == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert found["always_longer"].accuracy.value == pytest.approx((0 + 1 + 0.5 + 0) / 4)
    assert found["always_shorter"].macro.value == pytest.approx((1 + 0.5) / 2)
    assert found["always_shorter"].by_category["b"].value == 1.0


def test_questions_of_yes_or_no_have_baselines_of_their_own():
    items = [yes_no(0, "yes"), yes_no(1, "no"), yes_no(2, "no"), yes_no(3, "no")]
    found = result_of(items, scored(items, [1, 1, 1, 1])).baselines
    assert {name: one.accuracy.value for name, one in found.items()} == {"always_yes": 0.25, "always_no": 0.75}


def test_another_judge_stands_beside_and_the_accuracy_where_it_errs():
    items = [pair(n) for n in range(4)]
    text_only = scored(items, [1, -1, -1, 0])
    result = result_of(items, scored(items, [1, 1, -1, -1]), baselines={"text_only": text_only})
    assert result.baselines["text_only"].accuracy.value == pytest.approx(1.5 / 4)
    assert result.figures["accuracy_where_text_only_errs"].value == pytest.approx(1 / 2)


def test_length_halves_and_what_is_preferred():
    texts = [("a" * 9, "b"), ("a", "b" * 9), ("aa", "b"), ("a", "b")]
    items = [pair(n, better=0, responses=both) for n, both in enumerate(texts)]
    found = values(result_of(items, scored(items, [1, -1, 1, 1])))
    assert found["better_longer_accuracy"] == 1.0  # items 0 and 2
    assert found["better_shorter_accuracy"] == 0.0  # item 1
    assert found["longer_is_better"] == pytest.approx(2 / 3)
    assert found["prefers_longer"] == 1.0
    assert (found["short_half_accuracy"], found["long_half_accuracy"]) == (1.0, 0.5)


def test_items_of_one_image_or_of_one_group_move_together():
    alone = [pair(n) for n in range(60)]
    one_image = [pair(n, image=f"{n // 6}.png") for n in range(60)]
    one_group = [pair(n, image=f"{n}.png", group=f"g{n // 6}") for n in range(60)]
    bytes_too = [pair(n, image=bytes([n // 6])) for n in range(60)]
    margins = [1 if n // 6 % 2 else -1 for n in range(60)]
    wide = {}
    for name, items in {"alone": alone, "image": one_image, "group": one_group, "bytes": bytes_too}.items():
        figure = result_of(items, scored(items, margins), draws=500).figures["accuracy"]
        wide[name] = figure.high - figure.low
    assert wide["image"] > 1.8 * wide["alone"]
    assert wide["image"] == wide["group"] == wide["bytes"]


def test_a_planted_flip_of_one_label_in_ten_moves_the_interval():
    rng = np.random.default_rng(0)
    better = rng.integers(2, size=1250)
    items = [pair(n, int(side), image=f"{n}.png") for n, side in enumerate(better)]
    rows = scored(items, rng.normal(1.3, 1, 1250))
    flipped = rng.permutation(1250)[:125]
    better[flipped] = 1 - better[flipped]
    planted = [pair(n, int(side), image=f"{n}.png") for n, side in enumerate(better)]
    honest, moved = (result_of(one, rows, draws=1000).figures["accuracy"] for one in (items, planted))
    assert honest.value - moved.value == pytest.approx(0.1 * (2 * honest.value - 1), abs=0.02)
    assert moved.high < honest.low


def test_reads_parquet_parts_and_leaves_unfinished_files_alone(tmp_path):
    items = [pair(n) for n in range(10)]
    rows = scored(items, [1] * 7 + [-1] * 3)
    rows[:4].write_parquet(tmp_path / "part_0.parquet")
    rows[4:].write_parquet(tmp_path / "part_1.parquet")
    rows.write_parquet(tmp_path / "_part_2.parquet")
    assert result_of(items, tmp_path) == result_of(items, rows)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no judgement"),
        ([row("k0", 0), row("k0", 1)], "the same vote twice"),
        ([row("k0", 7)], "item 'k0' is none"),
        ([row("k0", 0, order=2)], "order 2"),
        ([row("k0", 0, view="upside down")], "view upside down"),
        ([row("k0", 0, rewards=(float("nan"), 0.0))], "diverged"),
        ([row("k8", 0)], "another version of its file"),
    ],
)
def test_refuses_what_is_no_judgement(rows, told):
    with pytest.raises(UserError, match=told):
        result_of([pair(0)], judged(rows))


def test_refuses_items_with_one_key_and_no_item():
    with pytest.raises(UserError, match="the same key"):
        result_of([pair(0), pair(0)], judged([row("k0", 0)]))
    with pytest.raises(UserError, match="no item"):
        result_of([], judged([row("k0", 0)]))


def test_the_row_of_a_table_names_everything():
    items = [pair(n, category="abc"[n % 3]) for n in range(9)]
    flat = result_of(items, scored(items, [1] * 9)).flat()
    assert (flat["suite"], flat["model"], flat["judged"]) == ("made_up", "a judge", 9)
    assert flat["category.a"] == flat["accuracy"] == flat["baseline.always_first"] == 1.0
    assert flat["accuracy.low"] < 1.0
