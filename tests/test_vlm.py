"""What cannot be a base model is refused in one sentence, before any weight is read."""

from __future__ import annotations

import json

import pytest

from vlrm.errors import UserError
from vlrm.vlm import Vlm


def test_a_family_that_cannot_be_read_yet_is_named_with_the_way_out(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blip-2"}))
    with pytest.raises(
        UserError, match=r"is of type blip-2, .* model of type llava, .* \(others can .*policy.endpoint"
    ):
        Vlm.load(tmp_path, tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="no image-text-to-text model could be loaded from"):
        Vlm.load(tmp_path / "nothing", tmp_path)
