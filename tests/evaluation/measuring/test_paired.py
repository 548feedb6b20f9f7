"""Two judges on one benchmark: paired differences and their tests, against scipy and by hand."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_judgements import judged, pair, row, scored
from scipy import stats

from vlrm.errors import UserError
from vlrm.evaluation.measuring.paired import compare, discordant, paired
from vlrm.evaluation.measuring.quantities import MOST_CLUSTERS, Bootstrap


def test_the_interval_agrees_with_scipys_paired_bootstrap():
    rng = np.random.default_rng(0)
    ours = (rng.random(200) < 0.8).astype(float)
    theirs = np.where(rng.random(200) < 0.7, ours, 1 - ours)
    bootstrap = Bootstrap(np.arange(200), draws=6000, seed=1)
    found = paired(bootstrap.mean(ours), bootstrap.mean(theirs)).figure
    expected = stats.bootstrap(
        (ours, theirs), lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, n_resamples=6000,
        method="percentile", rng=2,
    ).confidence_interval  # fmt: skip
    assert found.value == pytest.approx((ours - theirs).mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.011)


def test_p_is_small_where_the_interval_leaves_zero_out_and_one_for_equals():
    bootstrap = Bootstrap(np.arange(300), draws=2000)
    rng = np.random.default_rng(3)
    one = (rng.random(300) < 0.7).astype(float)
    for gain in (0.0, 0.02, 0.05, 0.3):
        better = np.where(rng.random(300) < gain, 1.0, one)
        found = paired(bootstrap.mean(better), bootstrap.mean(one))
        assert (found.p_value < 0.05) == (found.figure.low > 0)
    assert paired(bootstrap.mean(one), bootstrap.mean(one)).p_value == 1.0
    assert found.p_value == pytest.approx(2 / 2001)


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, np.nan])] * 2), max_size=40))
def test_mcnemar_is_a_sum_of_binomial_coefficients(drawn):
    first, second = np.array(drawn, dtype=float).reshape(-1, 2).T
    found = discordant(first, second)
    known = [(a, b) for a, b in drawn if not (np.isnan(a) or np.isnan(b))]
    one, other = sum(a == 1 and b < 1 for a, b in known), sum(b == 1 and a < 1 for a, b in known)
    n = one + other
    tail = sum(comb(n, k) for k in range(min(one, other) + 1)) / 2**n
    assert (found.only_first, found.only_second) == (one, other)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))


def test_only_items_that_both_have_judged_are_compared():
    items = [pair(n, category="ab"[n % 2], image=f"{n}.png") for n in range(6)]
    one = scored(items, [1, 1, 1, -1, 1, 1])
    other = judged(
        [row(item.key, said) for item, said in zip(items[:4], (0, 1, 1, 0), strict=True)]
        + [row("k4", None, problem="no image")]
    )
    found = compare(iter(items), {"one": one, "other": other}, "made_up", draws=50)
    assert (found.first.model, found.second.model) == ("one", "other")
    assert (found.first.judged, found.second.judged) == (4, 4)
    assert (found.first.strange, found.second.strange) == (0, 0)  # both judged items of this file only
    difference = found.differences["accuracy"].figure
    assert (difference.value, difference.n) == (pytest.approx(3 / 4 - 2 / 4), 4)
    assert found.by_category["a"].figure.value == pytest.approx(1 - 1 / 2)
    assert (found.discordant.only_first, found.discordant.only_second) == (2, 1)


def test_refuses_judges_that_share_no_item_or_are_not_two():
    items = [pair(0), pair(1)]
    alone, other = judged([row("k0", 0)]), judged([row("k1", 0)])
    with pytest.raises(UserError, match="no item of made_up in common"):
        compare(items, {"a": alone, "b": other}, "made_up", draws=20)
    with pytest.raises(UserError, match="Two judges"):
        compare(items, {"a": alone}, "made_up", draws=20)


def test_so_many_images_share_clusters_and_the_interval_stays():
    rng = np.random.default_rng(0)
    right = (rng.random(3 * MOST_CLUSTERS) < 0.7).astype(float)
    bootstrap = Bootstrap(np.arange(len(right)), draws=300)
    figure = bootstrap.mean(right).figure
    assert bootstrap.resampler.size == MOST_CLUSTERS
    expected = 2 * 1.96 * np.sqrt(0.7 * 0.3 / len(right))
    assert figure.high - figure.low == pytest.approx(expected, rel=0.15)
