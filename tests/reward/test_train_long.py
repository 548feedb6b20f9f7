"""Long critiques: memory of a training step grows with their length, not with its square."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
import torch
from training_cases import STAR, reward_model, settings, stored

from vlrm.embedded.build import build_model, build_processor
from vlrm.reward.batches import MicroBatch
from vlrm.reward.learning import make_trainable
from vlrm.reward.model import Row
from vlrm.reward.objective import PairObjective
from vlrm.reward.rows import TrainingPair

BYTES_PER_TOKEN = 60 * 2**10
"""What a token may cost above what is always there: hidden size 192, 3 layers, a feed-forward width of 512. One layer's
attention weights (4 heads, float32) are 128 KiB a token at 8,192 tokens, twice with their gradients: over this bound."""
ALWAYS = 128 * 2**20
"""What buffers and gradients take whatever the length."""


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory):
    """The tiny model with room for 16k positions."""
    folder = tmp_path_factory.mktemp("long_vlm")
    processor = build_processor(["See: red star. Check: red star: yes. Is this answer right? Yes No"] * 8)
    torch.manual_seed(0)
    model = build_model(processor)
    model.config.text_config.max_position_embeddings = 2**14
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def peak(step) -> int:
    """Bytes of resident memory that a call takes at most, above what was there before it."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts at what is resident now
    before = resident("VmRSS")
    step()
    return resident("VmHWM") - before


def resident(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's high-water mark of memory")
def test_eight_thousand_tokens_train_in_memory_that_grows_with_their_number(long_folder, tmp_path):
    images = stored(tmp_path)
    model = reward_model(long_folder, tmp_path)
    chosen = settings(gradient_checkpointing=True)
    make_trainable(model, chosen, 0)
    objective = PairObjective(model, chosen).train()
    one = len(model.vlm.token_ids(["See: red star. Check: red star: yes. " * 100])[0]) / 100
    pair = TrainingPair(images[0], "What is in the image?", STAR, STAR, "c", "r", 1.0, 0.0, None)

    def step(tokens: int) -> None:
        critique = "See: red star. Check: red star: yes. " * round(tokens / one)
        row = Row(pair.image, pair.question, STAR, critique)
        objective(MicroBatch([pair], [row, row], []))["loss"].backward()
        objective.zero_grad()

    step(1024)  # what is only ever taken once
    sizes = [2048, 4096, 8192]
    taken = [peak(lambda size=size: step(size)) for size in sizes]
    assert all(found < ALWAYS + 2 * size * BYTES_PER_TOKEN for found, size in zip(taken, sizes, strict=True)), taken
