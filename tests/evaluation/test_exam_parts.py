from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from vlrm.evaluation.exam_parts import CRITICISED, FLIPPED, Part, readings


def item(name: str, split: str, group: str | None = None) -> dict[str, str | None]:
    return {"item_id": name, "split": split, "group_id": group}


@pytest.fixture
def exam():
    rows = [item(f"g{n}", "gate") for n in range(30)] + [item(f"p{n}", "report") for n in range(200)]
    return rows + [item(f"w{n}.{m}" if m else f"w{n}", "report", f"w{n}") for n in range(20) for m in range(3)]


def views(exam, by_critiques):
    """How often each item is read under each view, over all parts."""
    return Counter(
        (row["item_id"], one.view)
        for part in get_args(Part)
        for one in readings(part, exam, 0, by_critiques)
        for row in one.items
    )


@pytest.mark.parametrize("by_critiques", [False, True])
def test_the_parts_read_every_item_once_and_the_report_without_its_image(exam, by_critiques):
    found = views(exam, by_critiques)
    assert set(found.values()) == {1}
    assert {name for name, view in found if view == "image"} == {row["item_id"] for row in exam}
    alone = {row["item_id"] for row in exam if row["split"] == "report" and row["group_id"] in (None, row["item_id"])}
    for blind in ("blank", "swapped"):
        assert {name for name, view in found if view == blind} == alone


def test_fewer_pairs_may_be_read_with_critiques_and_every_one_is_still_read(exam):
    few = {part: readings(part, exam, 0, criticised=8) for part in get_args(Part)}
    assert [(len(one.items), one.with_critiques, one.flipped) for one in few["pairs"]] == [
        (8, True, 8),
        (192, False, 0),
    ]
    assert sum(len(one.items) for one in few["blind"] if one.with_critiques) == 8
    assert sum(len(one.items) for one in few["blind"]) == 2 * 220
    whole = readings("blind", exam, 0, by_critiques=True, criticised=8)
    assert [len(one.items) for one in whole if one.with_critiques] == [CRITICISED, CRITICISED]


def test_where_critiques_are_the_readout_all_pairs_are_read_with_them(exam):
    plain, critiques = (readings("pairs", exam, 0, by_critiques) for by_critiques in (False, True))
    assert [len(one.items) for one in plain] == [CRITICISED, 200 - CRITICISED]
    assert [len(one.items) for one in critiques] == [200] and critiques[0].flipped == FLIPPED
    assert plain[0].items == critiques[0].items[:CRITICISED]
