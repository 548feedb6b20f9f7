"""The shipped experts on scenes they have never seen: good enough to label pairs, and described by their config."""

import json

import pytest
from shipped_detector import SHIPPED, needs_weights

from vlrm.experts.calibration import reliability_report
from vlrm.schema import seen_objects

pytestmark = needs_weights


@pytest.fixture(scope="module")
def report(evidence, drawn):
    return reliability_report(evidence, drawn.truth)


def test_detector_finds_objects_and_little_else(report):
    assert report["objects"]["precision"] >= 0.96
    assert report["objects"]["recall"] >= 0.96


@pytest.mark.parametrize(("attribute", "least"), [("colour", 0.97), ("size", 0.94), ("pattern", 0.94), ("text", 0.88)])
def test_attributes_of_found_objects_are_right(report, attribute, least):
    figures = report["attributes"][attribute]
    assert figures["accuracy"] >= least and figures["precision"] >= least


def test_every_row_points_at_an_object_and_says_who_said_it(evidence, experts):
    fingerprints = {expert.name: expert.fingerprint for expert in experts}
    measured = []
    for rows in evidence:
        ids = [row.evidence_id for row in rows]
        assert len(ids) == len(set(ids))
        for row in rows:
            assert row.fingerprint == fingerprints[row.expert]
            assert 0 <= row.score <= 1 and 0 <= row.box[0] < row.box[2] <= 1 and 0 <= row.box[1] < row.box[3] <= 1
            assert row.target is None or row.target in ids
        measured += [
            {"colour", "size"} <= thing.attributes.keys() for thing in seen_objects(rows) if thing.score >= 0.5
        ]
    # The detector takes a grey scratch for an object now and then, and that has no colour.
    assert sum(measured) / len(measured) > 0.98


def test_shipped_weights_are_small_without_pickle_and_describe_themselves():
    assert sorted(path.name for path in SHIPPED.iterdir()) == ["config.json", "model.safetensors"]
    assert (SHIPPED / "model.safetensors").stat().st_size <= 4_000_000
    config = json.loads((SHIPPED / "config.json").read_text())
    assert config["map50"] >= 0.97
    assert config["test"]["objects"]["precision"] >= 0.97 and config["test"]["objects"]["recall"] >= 0.97
    assert config["test"]["scenes"] >= 200
    assert config["training"]["seed"] is not None and len(config["training"]["data_sha256"]) == 64
