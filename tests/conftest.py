"""A tiny random vision-language model with the real classes, shared by the tests that need one."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from vlrm import chat
from vlrm.embedded.build import build_model, build_processor
from vlrm.vlm import Vlm

TEXTS = [
    "There is a red star. I can see two blue balls and a small green ring on the table.",
    "What is in the image? Is there a star? Yes No See: red star. Check: red star: yes. Verdict: right.",
    chat.CRITICISE,
    *chat.VERIFY,
]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny_vlm")
    processor = build_processor(TEXTS * 4)
    torch.manual_seed(0)
    build_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tiny_folder, tmp_path):
    """The model and references to two images it holds."""
    vlm = Vlm.load(tiny_folder, tmp_path)
    images = [vlm.hold(Image.new("RGB", (64, 48), colour)) for colour in ("red", "blue")]
    return vlm, images
