"""Evidence answers questions of presence, whatever the words; what no expert knows is a tie."""

from __future__ import annotations

import importlib.util

import pytest
from PIL import Image
from pydantic import BaseModel

from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Reliability
from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.building import pair, yes_no
from vlrm.evaluation.benchmarks.suites import image_file, load
from vlrm.evaluation.judges.detector_rule import DetectorRule
from vlrm.evaluation.judges.protocol import TIE
from vlrm.experts import coco
from vlrm.experts.base import fingerprint
from vlrm.experts.coco_ssd import PACKAGE
from vlrm.images import blank, open_image
from vlrm.schema import Evidence, SeenObject

WHOLE = (0.0, 0.0, 1.0, 1.0)


class Paint:
    """An expert for which every red picture shows a dog."""

    class Settings(BaseModel):
        score: float = 0.9

    settings_type = Settings
    name = "paint"
    labels = coco.LABELS
    looked = 0

    def __init__(self, settings):
        self.settings = settings
        self.fingerprint = fingerprint(__file__, settings.model_dump())

    def annotate(self, images, found):
        Paint.looked += len(images)
        return [
            [Evidence("d1", "object", "dog", WHOLE, self.settings.score, self.name, self.fingerprint)]
            if image.getpixel((0, 0)) == (255, 0, 0)
            else []
            for image in images
        ]


RED, BLUE = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
ENTRY = {"name": f"{__name__}:Paint"}


@pytest.fixture
def rule():
    def claim(noun):
        (found,) = extract_claims("Yes.", f"Is there a {noun} in the image?", words)
        return found

    from vlrm.claims.english import PHOTOS as words

    seen = [SeenObject("dog", WHOLE, 0.9, {}, "d1")]
    examples = [(claim("dog"), seen, True)] * 20 + [(claim("dog"), [], False)] * 20 + [(claim("cat"), [], True)] * 2
    return DetectorRule([ENTRY], Reliability.fit(examples))


def ask(rule, question, image):
    ((row,),) = rule.judge([yes_no("1", question, "a.png", 0, "all")], [image])
    return row


def test_presence_is_answered_by_what_is_seen(rule):
    assert ask(rule, "Is there a dog in the image?", RED).preferred == 0
    assert ask(rule, "Is there a dog in the image?", BLUE).preferred == 1
    assert ask(rule, "Can you see a dog in this picture?", RED).preferred == 0


def test_the_difference_of_rewards_is_the_likelihood_ratio(rule):
    seen = ask(rule, "Is there a dog in the image?", RED)
    silent = ask(rule, "Is there a dog in the image?", BLUE)
    assert seen.reward_0 - seen.reward_1 > 0 > silent.reward_0 - silent.reward_1
    assert seen.reward_0 == -seen.reward_1


def test_of_what_no_expert_knows_silence_says_nothing(rule):
    row = ask(rule, "Is there a lamp in the image?", BLUE)
    assert (row.preferred, row.reward_0, row.reward_1) == (TIE, 0.0, 0.0)


def test_what_cannot_be_judged_is_said(rule):
    assert "no image" in ask(rule, "Is there a dog in the image?", None).problem
    assert ask(rule, "Hm?", RED).problem == "No claim can be read from the question."


def test_of_a_pair_the_answer_with_fewer_false_claims_wins(rule):
    item = pair("1", "What is there?", "a.png", ("There is a cat.", "There is a dog."), 1, "all")
    assert rule.judge([item], [RED])[0][0].preferred == 1


def test_each_image_is_looked_at_once_by_its_content(rule):
    Paint.looked = 0
    item = yes_no("1", "Is there a dog in the image?", "a.png", 0, "all")
    rows = rule.judge([item] * 3, [RED, RED.copy(), blank(BLUE)]) + rule.judge([item], [RED])
    assert Paint.looked == 2
    assert [row.preferred for (row,) in rows] == [0, 0, 1, 0]  # the same item under another picture is another answer


def test_the_fingerprint_is_of_experts_and_their_reliability(rule):
    other = DetectorRule([ENTRY | {"settings": {"score": 0.5}}], rule.reliability)
    assert rule.fingerprint == DetectorRule([ENTRY], rule.reliability).fingerprint != other.fingerprint


def test_experts_of_unknown_reliability_are_refused():
    with pytest.raises(UserError, match="not known how reliable"):
        DetectorRule([ENTRY])


def test_coco_ssd_answers_about_a_photo(shared_data):
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip(f"{PACKAGE} is not installed (make photos)")
    photos = shared_data("coco_photos")
    items = [
        item for item in load("coco_pope", photos) if item.image == "000000391895.jpg" and item.category == "random"
    ]
    image = open_image(image_file("000000391895.jpg", photos / "images"))
    rows = DetectorRule().judge(items, [image] * len(items))
    right = [row.preferred == item.better for item, (row,) in zip(items, rows, strict=True)]
    assert sum(right) >= len(items) - 1 and len(items) == 6
