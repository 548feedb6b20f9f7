"""Experts are found by their file: every one that is known can be imported and has the form; a new file is enough."""

import importlib

from vlrm.experts.registry import known_experts

NEW = """
from pydantic import BaseModel


class Settings(BaseModel):
    pass


class Brightness:
    name = "brightness"
    settings_type = Settings


class Helper:
    name = "helper"
"""


def test_every_known_expert_has_the_form():
    known = known_experts()
    assert {
        "detector",
        "colour",
        "pattern",
        "size",
        "ocr",
        "coco_ssd",
        "ultralytics",
        "zero_shot",
        "depth",
        "fusion",
        "flat_shapes",
    } <= set(known)
    for name, address in known.items():
        module, _, attribute = address.partition(":")
        kind = getattr(importlib.import_module(module), attribute)
        assert kind.name == name and issubclass(kind.settings_type, importlib.import_module("pydantic").BaseModel)
        assert callable(kind.annotate)


def test_a_new_file_is_a_new_expert_and_nothing_is_imported(tmp_path):
    (tmp_path / "light").mkdir()
    (tmp_path / "light" / "brightness.py").write_text("raise RuntimeError('imported')\n" + NEW)
    assert known_experts(tmp_path, "mine") == {"brightness": "mine.light.brightness:Brightness"}
