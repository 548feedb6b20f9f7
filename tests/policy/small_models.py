"""Tiny random vision-language models of other architectures, and left-padded inputs for them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

IMAGE, START, END = 10, 12, 13
ENDS = list(range(140, 160))
"""Every one of these tokens ends a text, so that a random model's texts have different lengths."""
TEXT = {
    "vocab_size": 160, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "bos_token_id": None, "eos_token_id": ENDS,
    "pad_token_id": 0,
}  # fmt: skip
GRIDS = [(4, 4), (8, 6), (4, 8)]  # patches of each image, down and across
QUESTIONS = [list(range(30, 35)), list(range(30, 39)), [30, 31]]


def qwen2_vl() -> Any:
    sight = {"depth": 2, "patch_size": 14, "spatial_merge_size": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 64}
    return _build(Qwen2VLForConditionalGeneration, Qwen2VLConfig, _qwen_text(), sight | {"mlp_ratio": 2})


def qwen2_5_vl() -> Any:
    sight = {
        "depth": 2, "patch_size": 14, "spatial_merge_size": 2, "hidden_size": 32, "num_heads": 2,
        "intermediate_size": 64, "out_hidden_size": 64, "fullatt_block_indexes": [1], "window_size": 56,
    }  # fmt: skip
    return _build(Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, _qwen_text(), sight)


def smolvlm() -> Any:
    sight = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    return _build(SmolVLMForConditionalGeneration, SmolVLMConfig, TEXT | {"model_type": "llama"}, sight, scale_factor=2)


def qwen_inputs(prompts: list[int]) -> dict[str, Any]:
    """Prompt ``i`` asks ``QUESTIONS[i]`` about an image of ``GRIDS[i]``."""
    pixels = [torch.randn(h * w, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(h * w)) for h, w in GRIDS]
    rows = [[20, START] + [IMAGE] * (GRIDS[i][0] * GRIDS[i][1] // 4) + [END] + QUESTIONS[i] for i in prompts]
    padded = _left(rows)
    return padded | {
        "pixel_values": torch.cat([pixels[i] for i in prompts]),
        "image_grid_thw": torch.tensor([[1, *GRIDS[i]] for i in prompts]),
        "mm_token_type_ids": (padded["input_ids"] == IMAGE).int(),
    }


def smolvlm_inputs(prompts: list[int]) -> dict[str, Any]:
    pixels = torch.randn(len(GRIDS), 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return _left([[20] + [IMAGE] * 4 + QUESTIONS[i] for i in prompts]) | {"pixel_values": pixels[prompts]}


def _build(architecture: Any, config: Any, text: dict[str, Any], sight: dict[str, Any], **more: Any) -> Any:
    torch.manual_seed(0)
    tokens = {"image_token_id": IMAGE, "pad_token_id": 0}
    if architecture is not SmolVLMForConditionalGeneration:
        tokens |= {"video_token_id": 11, "vision_start_token_id": START, "vision_end_token_id": END}
    return architecture(config(text_config=text, vision_config=sight, **tokens, **more)).eval()


def _qwen_text() -> dict[str, Any]:
    return TEXT | {
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    }  # fmt: skip


def _left(rows: list[list[int]]) -> dict[str, Any]:
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
    }
