"""Intervals cover what they should and respect images and seeds."""

import numpy as np
import polars as pl
import pytest
from made_up_exams import exam_of, item
from scipy import stats

from vlrm.evaluation.bootstrap import Resampler, hierarchical_mean, image_clusters, paired_difference
from vlrm.schema import QUESTION


def test_agrees_with_scipy_when_every_item_is_its_own_cluster():
    values = np.random.default_rng(0).normal(size=120)
    ours = Resampler(np.arange(120), draws=9000, seed=1).mean(values)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9000, method="percentile", rng=2).confidence_interval
    assert ours is not None
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)
    assert ours.n == 120


def test_equals_a_plain_loop_over_drawn_clusters():
    rng = np.random.default_rng(3)
    values, clusters = rng.random(30), rng.integers(0, 7, 30)
    values[4] = np.nan
    resampler = Resampler(clusters, draws=50, seed=5)
    by_hand = []
    for times in resampler.times:
        drawn = [v for c, many in enumerate(times) for _ in range(many) for v in values[resampler.cluster == c]]
        by_hand.append(np.nanmean(drawn))
    np.testing.assert_allclose(resampler.draws_of_mean(values), by_hand)


def test_copies_of_an_item_on_one_image_do_not_narrow_the_interval():
    values = (np.arange(40) % 3 == 0).astype(float)
    single = Resampler(np.arange(40)).mean(values)
    tenfold = Resampler(np.repeat(np.arange(40), 10)).mean(np.repeat(values, 10))
    assert single is not None
    assert tenfold is not None
    assert tenfold.high - tenfold.low == pytest.approx(single.high - single.low, rel=0.1)
    assert tenfold.n == 400


def test_coverage_of_the_interval_is_near_its_level():
    rng = np.random.default_rng(11)
    inside = 0
    for trial in range(200):
        chance = rng.beta(4, 2, size=60)
        right = (rng.random((60, 5)) < chance[:, None]).astype(float).ravel()
        figure = Resampler(np.repeat(np.arange(60), 5), draws=400, seed=trial).mean(right)
        assert figure is not None
        inside += figure.low <= 4 / 6 <= figure.high
    assert 178 <= inside <= 199


def test_all_right_does_not_claim_certainty():
    figure = Resampler(np.arange(10)).mean(np.ones(10))
    assert figure is not None
    assert figure.high == 1.0
    assert figure.low == pytest.approx(stats.beta.ppf(0.025, 10, 1))
    none_right = Resampler(np.arange(10)).mean(np.zeros(10))
    assert none_right is not None
    assert none_right.high == pytest.approx(stats.beta.ppf(0.975, 1, 10))


def test_one_image_says_nothing_about_others():
    """Quads can link all images of a small exam into one cluster; its resamples are all alike."""
    values, together = np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(4, dtype=np.int64)
    for alone in (Resampler(together).mean(values), hierarchical_mean([values], [together])):
        assert alone is not None
        assert (alone.low, alone.value, alone.high) == (0.0, 0.75, 1.0)
    gain = paired_difference(values, np.zeros(4), Resampler(together))
    assert gain is not None
    assert gain.low < 0 < gain.high
    part = np.array([1.0, 1.0, np.nan, np.nan])  # an exam of two images, and a figure that is about one
    figure = Resampler(np.array([0, 0, 1, 1])).mean(part)
    assert figure is not None
    assert (figure.low, figure.high) == (0.0, 1.0)


def test_nothing_to_measure_is_none():
    assert Resampler(np.arange(3)).mean(np.full(3, np.nan)) is None
    assert hierarchical_mean([np.array([np.nan])], [np.array([0])]) is None


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 5, 80)
    resampler = Resampler(np.arange(80))
    difference = paired_difference(shared + 0.5 + rng.normal(0, 0.1, 80), shared, resampler)
    alone = resampler.mean(shared)
    assert difference is not None
    assert alone is not None
    assert difference.low > 0.4
    assert alone.high - alone.low > 1.0


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    clusters = [np.arange(50)] * 5
    alike = [(rng.random(50) < 0.7).astype(float) for _ in range(5)]
    apart = [(rng.random(50) < p).astype(float) for p in (0.3, 0.5, 0.7, 0.9, 0.95)]
    narrow, wide = hierarchical_mean(alike, clusters), hierarchical_mean(apart, clusters)
    assert narrow is not None
    assert wide is not None
    assert wide.value == pytest.approx(np.mean([v.mean() for v in apart]))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_hierarchical_spread_has_both_parts():
    rng = np.random.default_rng(4)
    level = rng.normal(0, 1, 8)
    values = [rng.normal(mean, 2, 100) for mean in level]
    figure = hierarchical_mean(values, [np.arange(100)] * 8, draws=4000)
    assert figure is not None
    means = np.array([v.mean() for v in values])
    expected = np.sqrt(means.var() / 8 + np.mean([v.var() / 100 for v in values]) / 8)
    assert (figure.high - figure.low) / (2 * 1.96) == pytest.approx(expected, rel=0.08)


def clusters_of(*items):
    frame = pl.from_arrow(exam_of(*items))
    assert isinstance(frame, pl.DataFrame)
    return image_clusters(frame).tolist()


def test_an_image_rendered_for_a_quad_is_in_the_cluster_of_the_one_it_was_made_from():
    a, b, c, d, e, f = clusters_of(
        item("a", "one"), item("b", "one", quad_id="q"), item("c", "two", quad_id="q"),
        item("d", "three"), item("e", "one", quad_id="p"), item("f", "four", quad_id="p"),
    )  # fmt: skip
    assert a == b == c == e == f
    assert d != a


def test_quads_found_among_other_images_do_not_join_them_all():
    size = 12
    own = [item(f"own {i}", f"image {i}") for i in range(size)]
    found = [
        item(f"{i} {side}", f"image {(i + side) % size}", quad_id=f"quad {i}") for i in range(size) for side in (0, 1)
    ]
    assert len(set(clusters_of(*own, *found))) == size
    assert len(set(clusters_of(*found))) == size


def test_a_question_about_a_claim_neither_joins_images_nor_parts_a_rendered_one_from_its_own():
    about = {"source": QUESTION, "quad_id": "round?"}
    a, b, c, d, e, f = clusters_of(
        item("a", "one"), item("b", "one", quad_id="q"), item("c", "rendered", quad_id="q"),
        item("d", "rendered", **about), item("e", "three", **about), item("f", "three"),
    )  # fmt: skip
    assert a == b == c == d
    assert e == f != a


def test_an_image_of_half_a_quad_stays_by_itself():
    assert clusters_of(item("a", "one"), item("b", "two", quad_id="q")) == [0, 1]


def test_same_seed_same_interval():
    values = np.random.default_rng(0).random(40)
    assert Resampler(np.arange(40), seed=3).mean(values) == Resampler(np.arange(40), seed=3).mean(values)
