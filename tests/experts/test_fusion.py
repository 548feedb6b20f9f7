"""Weighted box fusion against cases counted by hand, and fused detectors as one expert."""

import pytest
from PIL import Image
from pydantic import BaseModel

from vlrm.errors import UserError
from vlrm.experts.annotate import run_experts
from vlrm.experts.base import fingerprint
from vlrm.experts.config import build_experts
from vlrm.experts.detections import Detection, suppress, within
from vlrm.experts.fusion import weighted_box_fusion
from vlrm.schema import Evidence

A, NEAR_A, FAR = (0.1, 0.1, 0.5, 0.5), (0.1, 0.1, 0.5, 0.54), (0.7, 0.7, 0.9, 0.9)
CATS, CATS_AND_DOGS = frozenset({"cat"}), frozenset({"cat", "dog"})


def fuse(*found, weights=None, knows=None):
    return weighted_box_fusion(found, weights or [1.0] * len(found), knows or [CATS_AND_DOGS] * len(found))


def test_agreement_keeps_the_score_and_averages_the_box():
    (one,) = fuse([Detection("cat", A, 0.9)], [Detection("cat", NEAR_A, 0.6)])
    assert one.label == "cat" and one.score == pytest.approx(0.75)
    assert one.box == pytest.approx((0.1, 0.1, 0.5, (0.9 * 0.5 + 0.6 * 0.54) / 1.5), abs=1e-4)


def test_a_silent_detector_lowers_the_score_unless_it_has_no_word_for_it():
    (doubted,) = fuse([Detection("dog", A, 0.9)], [])
    assert doubted.score == pytest.approx(0.45)
    (alone,) = fuse([Detection("dog", A, 0.9)], [], knows=[CATS_AND_DOGS, CATS])
    assert alone.score == pytest.approx(0.9)


def test_weights_count():
    (one,) = fuse([Detection("cat", A, 0.9)], [], weights=[3.0, 1.0])
    assert one.score == pytest.approx(0.675)


def test_other_labels_and_other_places_stay_apart():
    found = fuse([Detection("cat", A, 0.9), Detection("cat", FAR, 0.8)], [Detection("dog", A, 0.7)])
    assert sorted((one.label, one.box) for one in found) == [("cat", A), ("cat", FAR), ("dog", A)]


def test_two_boxes_of_one_detector_are_one_witness():
    (one,) = fuse([Detection("cat", A, 0.8), Detection("cat", NEAR_A, 0.8)], [])
    assert one.score == pytest.approx(0.4)


def test_order_of_boxes_does_not_matter():
    boxes = [Detection("cat", A, 0.5), Detection("cat", NEAR_A, 0.5), Detection("dog", FAR, 0.3)]
    assert fuse(boxes, []) == fuse(boxes[::-1], [])


def test_suppression_drops_what_overlaps_or_lies_within():
    part = (0.2, 0.2, 0.3, 0.3)
    found = [Detection("cat", A, 0.9), Detection("cat", part, 0.8), Detection("dog", part, 0.7)]
    assert within(part, A) == pytest.approx(1.0) and within(A, FAR) == 0.0
    assert suppress(found, most=0.5, inside=0.8) == [found[0], found[2]]
    assert suppress(found, most=0.5) == found


class BoxSettings(BaseModel):
    score: float = 0.9


class Left:
    """A detector that always sees a cat on the left."""

    name = "left"
    settings_type = BoxSettings
    labels = ("cat",)

    def __init__(self, settings):
        self.settings = settings
        self.fingerprint = fingerprint(__file__, {"name": self.name, **settings.model_dump()})

    def annotate(self, images, found):
        return [[Evidence("d1", "object", "cat", A, self.settings.score, self.name, self.fingerprint)] for _ in images]


def entry(score):
    return {"name": f"{__name__}:Left", "settings": {"score": score}}


IMAGE = Image.new("RGB", (32, 32))


def test_fused_detectors_are_one_expert():
    (fusion,) = build_experts([{"name": "fusion", "settings": {"detectors": [entry(0.9), entry(0.5)]}}])
    ((row,),) = run_experts([fusion], [IMAGE])
    assert (row.expert, row.label, row.score, row.fingerprint) == ("fusion", "cat", 0.7, fusion.fingerprint)
    (other,) = build_experts([{"name": "fusion", "settings": {"detectors": [entry(0.9), entry(0.6)]}}])
    assert fusion.labels == ("cat",) and other.fingerprint != fusion.fingerprint


def test_detectors_side_by_side_are_refused_in_one_sentence():
    class Right(Left):
        name = "right"

    with pytest.raises(UserError, match=r"right gives ids.*fusion"):
        run_experts([Left(BoxSettings()), Right(BoxSettings())], [IMAGE])


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"detectors": []}, "detectors"), ({"detectors": [entry(0.9)], "weights": [1, 2]}, "2 weights for 1 detectors")],
)
def test_mistakes_are_named(settings, says):
    with pytest.raises(UserError, match=says):
        build_experts([{"name": "fusion", "settings": settings}])
