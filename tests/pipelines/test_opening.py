"""How ``policy`` opens the base: which settings are part of a round's key, one pixel budget, kept features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from vlrm.devices import device_of, dtype_of
from vlrm.errors import UserError
from vlrm.images import store
from vlrm.lineage.hashing import plain
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Policy, image_store
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.reward.scoring import Scorer, score
from vlrm.vlm import Vlm

OLD = {
    "base": "b",
    "candidates": 4,
    "sampling": plain(Policy(base="b").sampling),
    "distinct": plain(Policy(base="b").distinct),
}
BUDGET = 1_500
CONFIG = {"likelihood_scale": 1.0, "yes_scale": 0.5, "verify_form": 0, "readout": "likelihood"}


@pytest.fixture
def picture(tmp_path):
    """The sha256 of a stored image of 6,000 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    return store(Image.fromarray(pixels), image_store(str(tmp_path)))


def policy(folder, **settings):
    return Policy(base=str(folder), **settings)


def test_defaults_leave_a_rounds_key_as_it_was():
    assert plain(Policy(base="b")) == OLD
    assert plain(Policy(base="b", dtype="float32", max_pixels=None, device="cuda:3", features=True)) == OLD


def test_what_decides_results_is_part_of_the_key():
    assert plain(Policy(base="b", dtype="bfloat16", max_pixels=9)) == OLD | {"dtype": "bfloat16", "max_pixels": 9}


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"device": "cuda:"}, {"dtype": "float16"}, {"max_pixels": 0}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Policy(base="b", **wrong)


def test_devices_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    assert dtype_of("auto", torch.device("cpu")) is torch.float32
    with pytest.raises(UserError, match=r"policy.device is cuda, but PyTorch sees no CUDA devices here; say .* auto"):
        device_of("cuda")


def test_devices_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto") == torch.device("cuda:0") and device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match=r"policy.device is cuda:2, but PyTorch sees 2 CUDA devices"):
        device_of("cuda:2")
    for able in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, able=able: able)
        assert dtype_of("auto", device_of("auto")) is (torch.bfloat16 if able else torch.float32)


def test_one_budget_for_stored_blank_and_held_images(tiny_folder, tmp_path, picture):
    vlm = open_vlm(policy(tiny_folder, max_pixels=BUDGET), str(tmp_path))
    assert vlm.open(picture).size == vlm.open(f"blank:{picture}").size == (50, 30)
    held = vlm.hold(Image.new("RGB", (100, 60), "red"))
    assert vlm.open(held).size == (50, 30) and vlm.hold(vlm.open(held)) == held
    free = open_vlm(policy(tiny_folder), str(tmp_path))
    assert free.open(picture).size == (100, 60)
    assert not torch.equal(free.look([picture])[0].features, vlm.look([picture])[0].features)


def test_the_budget_is_saved_and_kept_to_by_a_scorer(tiny_folder, tmp_path, picture):
    vlm = open_vlm(policy(tiny_folder, max_pixels=BUDGET, dtype="bfloat16"), str(tmp_path))
    model = RewardModel(vlm, ModelConfig(base=str(tiny_folder), **CONFIG)).eval()
    model.save(tmp_path / "saved")
    saved = RewardModel.read_config(tmp_path / "saved")
    assert (saved.dtype, saved.max_pixels) == ("bfloat16", BUDGET)
    rows = [Row(picture, "What is in the image?", said) for said in ("a red star", "two balls")]
    scorer = Scorer.load(tmp_path / "saved", device="cpu")
    full = Image.open(next(image_store(str(tmp_path)).rglob("*.png")))
    np.testing.assert_array_equal(scorer.rewards([(full, r.question, r.response) for r in rows]), score(model, rows))
    with pytest.raises(UserError, match=r"trained with max_pixels=1500, its base model is open with max_pixels=None"):
        RewardModel.load(tmp_path / "saved", Vlm.load(tiny_folder, tmp_path))


def test_defaults_are_not_written(tiny_folder, tmp_path):
    RewardModel(Vlm.load(tiny_folder, tmp_path), ModelConfig(base="tiny", **CONFIG)).save(tmp_path / "saved")
    text = (tmp_path / "saved/reward.json").read_text()
    assert "dtype" not in text and "max_pixels" not in text


def test_features_of_another_budget_are_others(tiny_folder, tmp_path, picture):
    folder = tmp_path / "cache" / "features"
    for budget, files in ((None, 1), (BUDGET, 2), (BUDGET, 2)):
        open_vlm(policy(tiny_folder, max_pixels=budget, features=True), str(tmp_path)).look([picture])
        assert len(list(folder.rglob("*.safetensors"))) == files


def test_an_image_that_the_processor_refuses_is_named(tiny_folder, tmp_path, picture, monkeypatch):
    vlm = open_vlm(policy(tiny_folder, max_pixels=40), str(tmp_path))

    class Refusing:
        def __call__(self, **_):
            raise ValueError("absolute aspect ratio must be smaller than 200")

    vlm.processor = Refusing()
    with pytest.raises(UserError, match=rf"refuses image {picture} of 8 x 4 pixels, under a budget of 40 pixels"):
        vlm.look([picture])


@pytest.mark.parametrize("size", [(100, 60), (5000, 1), (1, 3000)])
def test_a_tiny_budget_is_met_at_any_shape(tiny_folder, tmp_path, size):
    vlm = open_vlm(policy(tiny_folder, max_pixels=16), str(tmp_path))
    width, height = vlm.open(vlm.hold(Image.new("RGB", size))).size
    assert 1 <= width * height <= 16


def test_an_adapter_stays_float32_on_a_bfloat16_base(tiny_folder, tmp_path, picture):
    vlm = open_vlm(policy(tiny_folder, dtype="bfloat16"), str(tmp_path))
    model = RewardModel(vlm, ModelConfig(base=str(tiny_folder), **CONFIG)).eval()
    model.add_adapter(4, 8, ("q_proj", "v_proj"), seed=0)
    torch.manual_seed(0)
    for name, value in vlm.model.named_parameters():
        if "lora_" in name:
            assert value.dtype is torch.float32
            torch.nn.init.normal_(value, std=0.1)
    rows = [Row(picture, "What is in the image?", said) for said in ("a red star", "two balls")]
    model.save(tmp_path / "saved")
    again = RewardModel.load(tmp_path / "saved", open_vlm(policy(tiny_folder, dtype="bfloat16"), str(tmp_path)))
    loaded = dict(again.backbone.named_parameters())
    assert all(torch.equal(value, loaded[name]) for name, value in vlm.model.named_parameters() if "lora_" in name)
    np.testing.assert_array_equal(score(again, rows), score(model, rows))
