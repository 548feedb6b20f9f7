"""What sets architectures of vision-language models apart: how images enter them, and what keeps answers apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vlrm.errors import UserError


class Layout(StrEnum):
    """How the answers to one prompt stand in a batch (:mod:`vlrm.reward.layout`), the cheapest first."""

    PACKED = "packed"
    """All prompts in one row, each followed by its answers; the registered attention keeps them apart."""
    MASKED = "masked"
    """A prompt and its answers a row; a mask (B, 1, L, L) keeps the answers apart."""
    PADDED = "padded"
    """A prompt and one answer a row: nothing is shared."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    ``pixels``: the outputs of its processor that its tower reads. ``axes``: how many numbers a token's position has.
    ``listed``: image features are given as a list, one tensor an image. ``types``: the input that marks image tokens.
    ``both_ways``: the tokens of an image see each other whatever their order.
    """

    pixels: tuple[str, ...] = ("pixel_values",)
    axes: int = 1
    listed: bool = False
    types: str | None = None
    both_ways: bool = False


_QWEN = Family(("pixel_values", "image_grid_thw"), axes=3, listed=True, types="mm_token_type_ids")
_TILED = Family(("pixel_values", "pixel_attention_mask"))
FAMILIES: dict[str, Family] = {
    "llava": Family(listed=True),
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
    "qwen3_vl": _QWEN,
    "qwen3_5": _QWEN,
    "idefics3": _TILED,
    "smolvlm": _TILED,
    "internvl": Family(),
    "gemma3": Family(types="token_type_ids", both_ways=True),
}

READERS: dict[str, Family] = {"llama": Family(pixels=())}
"""Language models that read of an image what experts write (:mod:`vlrm.seeing`); a folder must say so."""


def family_of(config: Any, where: object) -> Family:
    """The family of a model's configuration; :class:`UserError` names the known ones where it is none of them."""
    kind = config.model_type
    if kind not in FAMILIES:
        raise UserError(
            f"the model in {where} is of type {kind}, whose image tokens the reward model cannot read yet; "
            f"give base= a model of type {', '.join(FAMILIES)} (others can write behind policy.endpoint)"
        )
    return FAMILIES[kind]


def reader_family(config: Any, where: object) -> Family:
    """As :func:`family_of`, of a language model that sees through experts."""
    kind = config.model_type
    if kind not in READERS:
        raise UserError(
            f"the model in {where} sees through experts and is of type {kind}; such a model is of type "
            f"{', '.join(READERS)}"
        )
    return READERS[kind]


def best_layout(config: Any) -> tuple[Layout, str]:
    """The cheapest layout that keeps the answers of a prompt apart in this architecture, and why no cheaper one does.

    Where a layer carries a state from token to token (linear attention, state spaces), no mask can keep an answer from
    the one before it.
    """
    kinds = set(getattr(config.get_text_config(), "layer_types", None) or ["full_attention"])
    other = sorted(kinds - {"full_attention", "sliding_attention"})
    if other:
        return Layout.PADDED, f"its layers of {' and '.join(other)} carry one answer into the next"
    if "sliding_attention" in kinds:
        return Layout.MASKED, "some of its layers see a window only"
    if (FAMILIES | READERS)[config.model_type].both_ways:
        return Layout.MASKED, "the tokens of an image see each other both ways"
    return Layout.PACKED, ""
