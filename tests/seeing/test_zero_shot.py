"""Round 0 is the base's best readout: by claim too, where that is right more often."""

from __future__ import annotations

import numpy as np
import pytest
import seeing_models
from PIL import Image

from vlrm.reward import readout
from vlrm.reward.by_claim import ASKING
from vlrm.reward.model import Row
from vlrm.reward.readout import BY_CLAIM, zero_shot
from vlrm.vlm import Vlm


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    return Vlm.load(seeing_models.write(tmp_path_factory.mktemp("seeing")), tmp_path_factory.mktemp("images"))


def pairs(vlm, *sides):
    """Each pair both ways round: whatever reads a response alone has half of them right."""
    image = vlm.hold(Image.new("RGB", (64, 48), (200, 0, 0)))
    rows = [[Row(image, "What is there?", text) for text in texts] for texts in sides]
    return [(a, b) for a, b in rows] + [(b, a) for a, b in rows]


def never(_):
    pass


@pytest.mark.parametrize("right", [1.0, 0.0])
def test_what_is_read_by_claim_counts_where_it_is_right_more_often(vlm, monkeypatch, right):
    monkeypatch.setattr(readout, "by_claim", lambda rows, *_: 1e6 * (np.arange(len(rows)) % 2 == (1 - right)))
    config, accuracy = zero_shot(vlm, "tiny", pairs(vlm, ("A dog.", "A cat."), ("Two cups.", "A bus.")), never)
    assert accuracy.pop(BY_CLAIM) == right
    assert set(accuracy.values()) == {0.5}
    assert config.by_claim == (ASKING["photos"].scale if right else 0)
    assert config.readout.endswith(BY_CLAIM) == bool(right)


def test_the_objects_that_responses_name_are_what_is_asked_about(vlm):
    _, accuracy = zero_shot(vlm, "tiny", pairs(vlm, ("A dog.", "A cat.")), never)
    assert accuracy[BY_CLAIM] == 0.5
    _, accuracy = zero_shot(vlm, "tiny", pairs(vlm, ("It is day.", "It is night.")), never)
    assert BY_CLAIM not in accuracy
