"""A random Qwen2.5-VL of 30M parameters with its real processor and tokenizer, and rows of a stated length for it."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from measured_on import ROOT
from vlrm import chat
from vlrm.reward.model import ModelConfig, RewardModel, Row
from vlrm.vlm import Vlm

sys.path.insert(0, str(ROOT / "tests" / "reward"))  # the tiny checkpoints of the tests and how they are made
import family_models

if TYPE_CHECKING:
    from pathlib import Path

IDS = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
PLACE = "<|vision_start|><|image_pad|><|vision_end|>"
WORDS = "red star blue balls green ring table small".split()
"""Each is one token with the space before it."""


@dataclass(frozen=True)
class Sizes:
    """A model and its data: ``grid`` is an image's tokens high and wide; ``prefix`` tokens come before an answer.

    ``short`` and ``long`` are the fewest and the most tokens of an answer, to which the reward model adds those that
    ask whether it is right; ``pairs`` is how many pairs a batch has, ``candidates`` how many answers scoring has.
    """

    width: int
    layers: int
    heads: int
    key_heads: int
    inner: int
    words: int
    tower_width: int
    tower_layers: int
    tower_inner: int
    grid: tuple[int, int]
    prefix: int
    short: tuple[int, int]
    long: tuple[int, int]
    pairs: int
    candidates: int = 8


# LM head to layers is 1 to 9.5, near the 1 to 9 of Qwen2.5-VL-3B; tower to layers is 1 to 1.2, more than the 1 to 2 of
# Qwen2-VL-2B or the 1 to 4 of Qwen2.5-VL-3B: docs/training_benchmark.md says what follows for the figures.
FULL = Sizes(
    width=384, layers=8, heads=6, key_heads=2, inner=1280, words=4096, tower_width=320, tower_layers=6,
    tower_inner=1280, grid=(14, 22), prefix=350, short=(40, 80), long=(300, 600), pairs=4,
)  # fmt: skip
SMALL = Sizes(
    width=64, layers=2, heads=4, key_heads=2, inner=128, words=512, tower_width=32, tower_layers=2, tower_inner=64,
    grid=(4, 4), prefix=40, short=(4, 8), long=(12, 24), pairs=2, candidates=8,
)  # fmt: skip


def write(sizes: Sizes, folder: Path) -> Path:
    """A random checkpoint in ``folder``, float32."""
    tokenizer = family_models.qwen_tokenizer()
    ids = {
        name: tokenizer.convert_tokens_to_ids(token) for name, token in zip(IDS, family_models.QWEN[3:], strict=True)
    }
    half = sizes.width // sizes.heads // 2
    third = half * 3 // 8
    text = {
        "vocab_size": sizes.words, "hidden_size": sizes.width, "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads, "num_key_value_heads": sizes.key_heads,
        "max_position_embeddings": 4096, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e6, "mrope_section": [half - 2 * third, third, third],
        },
    }  # fmt: skip
    tower = {
        "depth": sizes.tower_layers, "hidden_size": sizes.tower_width, "intermediate_size": sizes.tower_inner,
        "num_heads": max(2, sizes.tower_width // 80), "out_hidden_size": sizes.width, "patch_size": 14,
        "fullatt_block_indexes": [sizes.tower_layers - 1],
    }  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=tower, **ids))
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 1024 * 28 * 28}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(patch_size=14, size=pixels), tokenizer, Qwen2VLVideoProcessor(patch_size=14),
        chat_template=family_models.template("<|im_start|>", "<|im_end|>", PLACE),
    )  # fmt: skip
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def reward_model(sizes: Sizes, folder: Path) -> RewardModel:
    """A reward model whose tower is frozen and whose language side, LM head and head are trained in full."""
    vlm = Vlm.load(write(sizes, folder), folder)
    config = ModelConfig(base="random", likelihood_scale=1.0, yes_scale=0.5, verify_form=0, readout="likelihood")
    model = RewardModel(vlm, config)
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.last.weight, std=0.1)
    model.backbone.model.visual.requires_grad_(False)
    return model.train()


def rows(
    model: RewardModel, sizes: Sizes, prompts: int, answers: int, lengths: tuple[int, int], seed: int
) -> list[Row]:
    """``answers`` of each of ``prompts``: ``sizes.prefix`` tokens of image and question, answers of ``lengths``."""
    draw = random.Random(seed)  # noqa: S311
    vlm, made = model.vlm, []
    for _ in range(prompts):
        high, wide = (28 * side for side in sizes.grid)
        picture = Image.frombytes("RGB", (wide, high), draw.randbytes(3 * high * wide))
        image = vlm.hold(picture)
        asked = " ".join([WORDS[0], *draw.choices(WORDS, k=sizes.prefix)])
        words = asked.split()
        over = _tokens(vlm, image, asked) - sizes.prefix
        question = " ".join(words[:-over])
        if _tokens(vlm, image, question) != sizes.prefix:
            raise RuntimeError(f"a prompt of {sizes.prefix} tokens could not be made: {sizes.grid} leaves no room")
        for _ in range(answers):
            said = " ".join(draw.choices(WORDS, k=draw.randint(*lengths)))
            made.append(Row(image, question, " " + said))
    return made


def _tokens(vlm: Vlm, image: str, question: str) -> int:
    return len(vlm.token_ids([vlm.text(chat.ask(question), reply=True)], [image])[0])
