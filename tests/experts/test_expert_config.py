"""Experts from configuration: what is known, what is refused, and how one brings one's own."""

import pytest
from pydantic import BaseModel

from vlrm.errors import UserError
from vlrm.experts.annotate import run_experts
from vlrm.experts.base import Expert, fingerprint
from vlrm.experts.config import ExpertConfig, build_experts, made_of
from vlrm.schema import Evidence


class WidthSettings(BaseModel):
    unit: str = "px"


class Width:
    """A whole expert of one's own: it reports how wide an image is."""

    name = "width"
    settings_type = WidthSettings

    def __init__(self, settings):
        self.settings = settings
        self.fingerprint = fingerprint(__file__, settings.model_dump())

    def annotate(self, images, found):
        label = "{} " + self.settings.unit
        return [
            [Evidence("w1", "width", label.format(image.width), (0, 0, 1, 1), 1.0, self.name, self.fingerprint)]
            for image in images
        ]


def test_known_experts_are_built_in_order():
    experts = build_experts([{"name": "colour"}, ExpertConfig(name="size", settings={"large_from": 0.2})])
    assert [expert.name for expert in experts] == ["colour", "size"]
    assert all(isinstance(expert, Expert) and len(expert.fingerprint) == 64 for expert in experts)


def test_an_expert_of_ones_own_is_one_class_and_one_entry(drawn):
    experts = build_experts([{"name": f"{__name__}:Width", "settings": {"unit": "pixels"}}])
    assert run_experts(experts, drawn.images[:1])[0][0].label == "256 pixels"


@pytest.mark.parametrize(
    ("configured", "says"),
    [
        ([], "empty"),
        ([{"name": "color"}], r"no expert 'color': known are detector, colour.*Did you mean colour"),
        (
            [{"name": "colour", "settings": {"painte": 1}}],
            r"setting of the expert colour.*painte.*settings are painted",
        ),
        ([{"name": "size", "settings": {"error": -1}}], "setting of the expert size.*error"),
        ([{"name": "flat_shapes", "settings": {"score": 1}}], "setting of the expert flat_shapes.*score.*it has none"),
        ([{"name": "colour"}, {"name": "colour"}], "twice"),
        ([{"nam": "colour"}], "expert entry.*name"),
        ([{"name": "nowhere.at_all:Thing"}], "cannot be imported"),
        ([{"name": "vlrm.errors:UserError"}], "settings_type"),
    ],
)
def test_mistakes_are_one_sentence(configured, says):
    with pytest.raises(UserError, match=says) as refused:
        build_experts(configured)
    assert "\n" not in str(refused.value)


def test_what_an_expert_is_made_of_includes_the_detectors_that_fusion_joins(tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    inner = [{"name": "coco_ssd"}, {"name": "mine.detectors:Finder", "settings": {"weights": str(weights)}}]
    modules, paths = made_of([{"name": "fusion", "settings": {"detectors": inner}}])
    assert modules == ["vlrm.experts.fusion", "vlrm.experts.coco_ssd", "mine.detectors"]
    assert paths == [weights]
