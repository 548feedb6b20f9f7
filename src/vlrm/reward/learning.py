"""What of a reward model learns: an adapter, one on a base in 4 bits, or the whole language side; never the tower."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vlrm.errors import UserError

if TYPE_CHECKING:
    from vlrm.reward.model import RewardModel
    from vlrm.reward.settings import RewardTraining


def check_ready(settings: RewardTraining) -> None:
    """Refuse what this machine cannot train, before anything is computed.

    Raises:
        UserError: ``mode: qlora`` without bitsandbytes or without a CUDA device; ``reference`` without an adapter; a
            ``launch`` file that is not there.
    """
    if settings.mode == "qlora":
        _need_4_bits()
    if settings.mode == "full" and settings.reference:
        raise UserError(
            "reward.reference measures against the base model, and reward.mode: full keeps none: set mode: lora, or "
            "reference: false"
        )
    if settings.launch is not None and not Path(settings.launch).is_file():
        raise UserError(f"reward.launch: there is no accelerate configuration {settings.launch}; see conf/distributed")


def make_trainable(model: RewardModel, settings: RewardTraining, seed: int) -> None:
    """Add the adapter if there is to be one, and mark what learns; a head or scale frozen before stays frozen.

    Raises:
        UserError: ``mode: qlora`` without bitsandbytes or without a CUDA device.
    """
    model.config = model.config.model_copy(
        update={"mode": settings.mode, "reference": settings.reference, "by_claim": settings.by_claim}
    )
    for name in ("likelihood_scale", "yes_scale"):
        start, scale = getattr(settings, name), getattr(model, name)
        if start is not None and scale.requires_grad:
            scale.data.fill_(start)
    if settings.mode == "qlora":
        _need_4_bits()
        quantise(model.backbone)
    if settings.mode != "full":
        model.add_adapter(settings.lora_rank, settings.lora_alpha, settings.lora_targets, seed)
    language = set()
    if settings.mode == "full":
        language = {id(p) for module in language_side(model) for p in module.parameters()}
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_("lora_" in name if settings.mode != "full" else id(parameter) in language)
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16) and settings.mode != "full":
            parameter.data = parameter.data.float()  # an adapter's steps are too small for half precision
    if settings.gradient_checkpointing:
        # Not reentrant: the reentrant kind needs an input that learns, and an adapter's base has none.
        model.backbone.get_decoder().activation_checkpointing_enable({"use_reentrant": False})


def language_side(model: RewardModel) -> list[nn.Module]:
    """The decoder and the LM head."""
    return [model.backbone.get_decoder(), model.backbone.lm_head]


def frozen_side(model: RewardModel) -> list[nn.Module]:
    """The tower and what projects its features: whatever of the base model is not its language side."""
    decoder = model.backbone.get_decoder()
    if decoder is model.backbone.model:  # a language model: there is no tower
        return []
    return [child for child in model.backbone.model.children() if child is not decoder]


def parameter_groups(model: RewardModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """What learns at ``rate`` and is clipped, and the two scales, which learn at ``scale_rate``."""
    scales = [p for p in (model.likelihood_scale, model.yes_scale) if p.requires_grad]
    others = [p for part in (model.backbone, model.head) for p in part.parameters() if p.requires_grad]
    return others, scales


def quantise(backbone: Any, kind: str = "nf4") -> None:
    """Put the linear layers of the language side into 4 bits (QLoRA, 2305.14314), in place; the LM head stays.

    Weights are packed when they reach the device. Done after loading, so that any loaded base can be trained so.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit

    inside = backbone.get_decoder()
    for name, module in list(inside.named_modules()):
        if type(module) is not nn.Linear:
            continue
        made = Linear4bit(
            module.in_features, module.out_features, bias=module.bias is not None, quant_type=kind,
            compute_dtype=torch.bfloat16, device="meta",
        )  # fmt: skip
        made.weight = Params4bit(module.weight.data, requires_grad=False, quant_type=kind, module=made)
        made.bias = module.bias
        parent, _, own = name.rpartition(".")
        setattr(inside.get_submodule(parent), own, made)
    backbone.is_loaded_in_4bit = True  # what PEFT asks before it adds its 4-bit layers


def _need_4_bits() -> None:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "reward.mode: qlora needs bitsandbytes, which is not installed: pip install 'vlrm[qlora]', or set lora"
        )
    if not torch.cuda.is_available():
        raise UserError("reward.mode: qlora needs a CUDA device and this machine has none: set mode: lora")
