"""Released benchmarks are read whole: their counts, splits, repeated ids and what position and length alone score."""

from __future__ import annotations

from collections import Counter

import pytest

from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.suites import SUITES, load, missing_images, suite
from vlrm.evaluation.judges.protocol import TIE
from vlrm.evaluation.judges.trivial import trivial


def scored(items, rule):
    """Per cent overall and macro of a trivial judge in the file's order; a tie earns half."""
    credits: dict[str, list[float]] = {}
    for item, (judged, *_) in zip(items, trivial(rule).judge(items, [None] * len(items)), strict=True):
        right = 0.5 if judged.preferred == TIE else float(judged.preferred == item.better)
        credits.setdefault(item.category, []).append(right)
    every = [one for part in credits.values() for one in part]
    macro = sum(sum(part) / len(part) for part in credits.values()) / len(credits)
    return 100 * sum(every) / len(every), 100 * macro


@pytest.fixture(scope="module")
def vl_rewardbench(shared_data):
    return list(load("vl_rewardbench", shared_data("benchmarks/vl_rewardbench.json")))


def test_vl_rewardbench_has_its_items_and_the_correct_split(vl_rewardbench):
    assert len(vl_rewardbench) == 1250
    split = {"general": 183, "hallucination": 749, "reasoning": 318}
    assert Counter(item.category for item in vl_rewardbench) == split
    assert set(suite("vl_rewardbench").categories) == set(split)


def test_vl_rewardbench_repeats_25_ids_and_no_key(vl_rewardbench):
    ids = Counter(item.id for item in vl_rewardbench)
    assert sum(count - 1 for count in ids.values()) == 25
    assert len({item.key for item in vl_rewardbench}) == 1250
    assert not any("-" in item.key for item in vl_rewardbench)  # id, query and responses tell all apart


@pytest.mark.parametrize(
    ("rule", "overall", "macro"),
    [("first", 99.6, 99.089), ("shorter", 56.92, 56.5545), ("longer", 43.08, 43.4455)],
)
def test_what_position_and_length_score_on_vl_rewardbench(vl_rewardbench, rule, overall, macro):
    assert scored(vl_rewardbench, rule) == pytest.approx((overall, macro), abs=0.005)


def test_ranks_are_no_votes(vl_rewardbench):
    assert sum(item.better == 0 for item in vl_rewardbench) == 1245


def test_mm_rlhf_rewardbench(shared_data):
    items = list(load("mm_rlhf_rewardbench", shared_data("benchmarks/mm_rlhf_rewardbench.jsonl")))
    assert Counter(item.category for item in items) == {"mcq": 42, "long": 37, "short": 34, "safety": 32, "video": 25}
    assert len(items) == 170 and len({item.group for item in items}) == 46
    longer = [len(item.responses[0]) > len(item.responses[1]) for item in items]
    assert 100 * sum(longer) / len(items) == pytest.approx(71.8, abs=0.05)  # ties are losses in the published figure
    assert scored(items, "longer")[0] == pytest.approx(72.35, abs=0.005)


def test_hallusionbench(shared_data):
    items = list(load("hallusionbench", shared_data("benchmarks/hallusionbench.json")))
    assert len(items) == 1129
    assert Counter(item.category for item in items) == {"VD": 591, "VS": 538}
    assert sum(item.image is None for item in items) == 178
    assert Counter(item.better for item in items) == {0: 484, 1: 645}
    drawn = {
        (item.category, item.details["subcategory"], item.details["set_id"], item.details["figure_id"])
        for item in items
        if item.image is not None
    }
    assert len(drawn) == 346 and len({item.group for item in items}) == 455  # figures and questions of the paper
    assert all(item.responses == ("Yes", "No") for item in items)


def test_amber(shared_data):
    items = list(load("amber", shared_data("benchmarks")))
    assert len(items) == 15220
    kinds = Counter((item.task, item.category) for item in items)
    assert kinds == {
        ("describe", "generative"): 1004, ("yes_no", "existence"): 4924, ("yes_no", "attribute"): 7628,
        ("yes_no", "relation"): 1664,
    }  # fmt: skip
    parts = Counter(item.details["kind"] for item in items)
    assert (parts["state"], parts["number"], parts["action"]) == (4764, 2072, 792)
    first = items[0]
    assert first.responses == () and first.better is None
    assert "forest" in first.details["truth"] and "cloud" in first.details["hallu"]
    assert {item.better for item in items if item.category == "existence"} == {1}  # every one is answered no


def test_amber_is_found_from_its_queries_alone(shared_data):
    items = load("amber", shared_data("benchmarks/amber_query_all.json"))
    assert next(items).details["kind"] == "generative"


def test_pope(shared_data):
    items = list(load("pope", shared_data("benchmarks")))
    assert len(items) == 3000 and {item.category for item in items} == {"random"}
    assert Counter(item.better for item in items) == {0: 1500, 1: 1500}
    names, count = missing_images(items, None)
    assert (len(names), count) == (500, 3000)


def test_missing_images_are_named_and_counted(shared_data, tmp_path):
    path = shared_data("benchmarks/hallusionbench.json")
    (tmp_path / "VS/chart").mkdir(parents=True)
    (tmp_path / "VS/chart/0_1.png").write_bytes(b"here")
    names, count = missing_images(load("hallusionbench", path, tmp_path), tmp_path)
    everything, all_of_them = missing_images(load("hallusionbench", path), None)
    assert set(everything) - set(names) == {"VS/chart/0_1.png"}
    assert all_of_them - count == 4 and all_of_them == 1129 - 178  # the four questions about that figure


def test_an_unknown_suite_is_refused_with_a_guess():
    with pytest.raises(UserError, match=r"no suite 'popes'.*Did you mean pope"):
        load("popes", "x.json")


def test_every_suite_says_what_it_is():
    for one in SUITES:
        assert one.about and one.files and one.licence and one.traps
