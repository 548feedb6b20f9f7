"""Tiny random checkpoints of every family, written with the real model, processor and tokenizer classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GotOcr2ImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from vlrm import chat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vlrm.reward.model import RewardModel

TEXTS = [
    "There is a red star. I can see two blue balls and a small green ring on the table.",
    "What is in the image? Is there a star? Yes No See: red star. Check: red star: yes. Verdict: right.",
    "user assistant system",
    chat.CRITICISE,
    *chat.VERIFY,
]
QWEN = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TEXT = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip


def template(start: str, end: str, image: str) -> str:
    """A chat template in the way of ChatML: ``start`` and the role, what is said, ``end``."""
    return (
        "{% for m in messages %}" + start + "{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
        + image + "{% else %}{{ c['text'] }}{% endif %}{% endfor %}" + end + "\n{% endfor %}"
        "{% if add_generation_prompt %}" + start + "assistant\n{% endif %}"
    )  # fmt: skip


def raw_tokenizer(special: tuple[str, ...], texts: Sequence[str] = TEXTS, size: int = 400) -> Tokenizer:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        [*texts] * 4,
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
        ),
    )
    return raw


def fast_tokenizer(special: tuple[str, ...], **named: str) -> PreTrainedTokenizerFast:
    """``special``: padding and end first; ``named``: those that a processor asks for by name."""
    return PreTrainedTokenizerFast(
        tokenizer_object=raw_tokenizer((*special, *named.values())), pad_token=special[0], eos_token=special[1],
        additional_special_tokens=list(special[2:]), extra_special_tokens=named,
    )  # fmt: skip


def qwen_tokenizer(texts: Sequence[str] = TEXTS, size: int = 400) -> Qwen2Tokenizer:
    raw = raw_tokenizer(QWEN, texts, size)
    found = json.loads(raw.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=found["vocab"], merges=[tuple(pair) for pair in found["merges"]], pad_token=QWEN[0], eos_token=QWEN[2],
        additional_special_tokens=list(QWEN[1:]),
    )  # fmt: skip


def qwen(kind: str, texts: Sequence[str] = TEXTS, size: int = 400) -> tuple[Any, Any]:
    tokenizer = qwen_tokenizer(texts, size)
    ids = {
        name: tokenizer.convert_tokens_to_ids(token)
        for name, token in zip(
            ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"), QWEN[3:], strict=True
        )
    }
    text = TEXT | {
        "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }  # fmt: skip
    patch = 16 if kind == "qwen3_vl" else 14
    sight = {"depth": 2, "patch_size": patch, "spatial_merge_size": 2, "num_heads": 2, "hidden_size": 32}
    pixels = {"shortest_edge": 4 * patch * patch, "longest_edge": 64 * patch * patch}
    images = Qwen2VLImageProcessor(patch_size=patch, size=pixels)
    if kind == "qwen2_vl":
        model = Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(
                text_config=text, vision_config=sight | {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}, **ids
            )
        )
        processor = Qwen2VLProcessor
    elif kind == "qwen2_5_vl":
        more = {"intermediate_size": 64, "out_hidden_size": 64, "fullatt_block_indexes": [1], "window_size": 56}
        model = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=sight | more, **ids)
        )
        processor = Qwen2_5_VLProcessor
    else:
        more = {"intermediate_size": 64, "out_hidden_size": 64, "deepstack_visual_indexes": [0, 1]}
        text |= {"head_dim": 16}
        more |= {"num_position_embeddings": 64}
        model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=sight | more, **ids))
        processor = Qwen3VLProcessor
    videos = Qwen3VLVideoProcessor if kind == "qwen3_vl" else Qwen2VLVideoProcessor
    spoken = template("<|im_start|>", "<|im_end|>", "<|vision_start|><|image_pad|><|vision_end|>")
    return model, processor(images, tokenizer, videos(patch_size=patch), chat_template=spoken)


def llava() -> tuple[Any, Any]:
    tokenizer = fast_tokenizer(("<pad>", "</s>", "<image>"))
    sight = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14,
        projection_dim=32,
    )  # fmt: skip
    text = TEXT | {"model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    config = LlavaConfig(
        vision_config=sight, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )  # fmt: skip
    images = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="default", image_token="<image>",
        num_additional_image_tokens=1, chat_template=template("", "</s>", "<image>"),
    )  # fmt: skip
    return LlavaForConditionalGeneration(config), processor


SIGHT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56,
    "patch_size": 14,
}  # fmt: skip


def tiled(kind: str) -> tuple[Any, Any]:
    """Idefics3 or SmolVLM: an image is read in tiles and once as a whole."""
    special = ("<pad>", "</s>", "<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>")
    tokenizer = fast_tokenizer((*special, *(f"<row_{i}_col_{j}>" for i in (1, 2) for j in (1, 2))))
    text = TEXT | {"model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    more = {"image_token_id": tokenizer.convert_tokens_to_ids("<image>"), "scale_factor": 2, "pad_token_id": 0}
    sizes = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}, "do_image_splitting": True}
    spoken = {"image_seq_len": 4, "chat_template": template("", "<end_of_utterance>", "<image>")}
    if kind == "idefics3":
        config = Idefics3Config(vision_config=SIGHT, text_config=text, **more)
        processor = Idefics3Processor(Idefics3ImageProcessor(**sizes), tokenizer, **spoken)
        return Idefics3ForConditionalGeneration(config), processor
    config = SmolVLMConfig(vision_config=SIGHT, text_config=text, **more)
    videos = SmolVLMVideoProcessor(**sizes)
    return SmolVLMForConditionalGeneration(config), SmolVLMProcessor(
        SmolVLMImageProcessor(**sizes), tokenizer, videos, **spoken
    )


def internvl() -> tuple[Any, Any]:
    named = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    tokenizer = fast_tokenizer(("<pad>", "</s>"), **named)
    text = TEXT | {"model_type": "qwen2", "vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    sight = SIGHT | {"image_size": [56, 56], "patch_size": [14, 14]}
    image_id = tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    config = InternVLConfig(vision_config=sight, text_config=text, image_token_id=image_id, image_seq_length=4)
    images = GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=4)
    processor = InternVLProcessor(
        images, tokenizer, InternVLVideoProcessor(size={"height": 56, "width": 56}), image_seq_length=4,
        chat_template=template("", "</s>", "<IMG_CONTEXT>"),
    )  # fmt: skip
    return InternVLForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = fast_tokenizer(("<pad>", "<eos>", "<start_of_turn>", "<end_of_turn>"), **named)
    text = TEXT | {
        "vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1, "head_dim": 16, "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16,
    }  # fmt: skip
    ids = {
        f"{short}_token_index": tokenizer.convert_tokens_to_ids(token)
        for short, token in zip(("boi", "eoi", "image"), named.values(), strict=True)
    }
    config = Gemma3Config(
        text_config=text, vision_config=SIGHT | {"vision_use_head": False}, mm_tokens_per_image=4, **ids
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size={"height": 56, "width": 56}), tokenizer, image_seq_length=4,
        chat_template=template("<start_of_turn>", "<end_of_turn>", "<start_of_image>"),
    )  # fmt: skip
    return Gemma3ForConditionalGeneration(config), processor


BUILD: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": llava,
    "qwen2_vl": lambda: qwen("qwen2_vl"),
    "qwen2_5_vl": lambda: qwen("qwen2_5_vl"),
    "qwen3_vl": lambda: qwen("qwen3_vl"),
    "idefics3": lambda: tiled("idefics3"),
    "smolvlm": lambda: tiled("smolvlm"),
    "internvl": internvl,
    "gemma3": gemma3,
}


def write(kind: str, folder: Path) -> Path:
    """A checkpoint of ``kind`` in ``folder``, with weights large enough that tokens matter to each other."""
    torch.manual_seed(0)
    model, processor = BUILD[kind]()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1 and not value.any():  # Gemma 3 starts its projector at zero, which shows no image
                value.normal_(std=0.1)
            elif value.dim() > 1 and "embed" not in name:
                value.mul_(4)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def learning(model: RewardModel) -> None:
    """Make ``model`` learn as in training, its adapter no longer at zero, which would hide half of the gradients."""
    model.add_adapter(4, 8, ("q_proj", "v_proj"), seed=0)
    for name, value in model.backbone.named_parameters():
        value.requires_grad_("lora_" in name)
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    model.backbone.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
