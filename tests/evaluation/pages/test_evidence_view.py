"""What the experts see of an item: boxes in its image, and each answer's claims in colour."""

import pytest
from made_up_judgements import pair
from PIL import Image
from pydantic import BaseModel

from vlrm.claims.english import PHOTOS
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.evaluation.pages.evidence_view import EvidenceView
from vlrm.experts import coco
from vlrm.experts.config import build_experts
from vlrm.schema import Evidence, SeenObject

HALF = (0.0, 0.0, 0.5, 1.0)


class Dogs:
    """An expert that sees a dog in the left half of everything, and a cat it doubts."""

    class Settings(BaseModel):
        pass

    settings_type = Settings
    name, labels, fingerprint = "dogs", coco.LABELS, "1"

    def __init__(self, settings):
        self.settings = settings

    def annotate(self, images, found):
        def seen(number, noun, score):
            return Evidence(number, "object", noun, HALF, score, self.name, self.fingerprint)

        return [[seen("d1", "dog", 0.9), seen("d2", "cat", 0.05)] for _ in images]


@pytest.fixture
def view():
    def claim(noun):
        (found,) = extract_claims(f"There is a {noun}.", "", PHOTOS)
        return found

    seen = [SeenObject("dog", HALF, 0.9, {}, "d1")]
    examples = [(claim("dog"), seen, True)] * 40 + [(claim("cat"), seen, False)] * 40 + [(claim("dog"), [], False)] * 40
    return EvidenceView(build_experts([{"name": f"{__name__}:Dogs"}]), Reliability.fit(examples))


def test_claims_are_coloured_and_boxes_drawn(view):
    item = pair(0, responses=("There is a dog.", "There is a car & a <dog>."))
    shown = view.shown(item, Image.new("RGB", (200, 100), "white"))
    right, wrong = shown.claims
    assert "supported" in right
    assert "contradicted" not in right
    assert "car: unverifiable" in wrong  # none is seen, and silence proves little
    assert "&amp;" in wrong and "&lt;" in wrong  # an answer's own signs stay text
    assert shown.seen == ("1 dog (0.90)",)  # the doubted cat is not cited by any claim
    assert max(shown.picture.size) == 320
    assert len(shown.picture.getcolors(100_000)) > 1


def test_without_an_image_nothing_is_said(view):
    shown = view.shown(pair(0), None)
    assert (shown.picture, shown.claims, shown.seen) == (None, ("", ""), ())
