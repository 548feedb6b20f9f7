"""What the reward model and the critic ask of a base model: where adapters go, reading them, its logits' bound."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from peft import set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import cast_adapter_dtype
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def softcap(config: Any) -> float:
    """The bound that some architectures put on their logits; 0 for none."""
    return float(getattr(config.get_text_config(), "final_logit_softcapping", None) or 0)


def load_adapter(model: Any, folder: Path, name: str, merge: bool = True) -> None:
    """Put a saved LoRA adapter on a freshly loaded base, for reading; its weights are float32 as they were trained.

    Without ``merge`` it stays apart, so that the base can still be read alone (:func:`adapters_off`).
    """
    model.load_adapter(str(folder), name)
    if model.dtype is not torch.float32:  # transformers has read it in the base's precision
        cast_adapter_dtype(model, name)
        set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"), adapter_name=name)
    if merge:
        merge_adapter(model, name)


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """The base model alone, inside; its adapters must not be merged.

    The switch of PEFT's layers itself: ``disable_adapters`` would also stop what learns from learning.
    """
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if any(layer.merged for layer in layers):
        raise RuntimeError("an adapter is merged into the weights: the base cannot be read without it")
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


def merge_adapter(model: Any, name: str) -> None:
    """Add a LoRA adapter into float32 weights for reading: the same numbers, without its extra products.

    In other precisions the sum would be rounded, so that what is read were not what was trained: there it stays apart.
    """
    for module in model.modules():
        if (
            isinstance(module, LoraLayer)
            and name in module.lora_A
            and module.get_base_layer().weight.dtype is torch.float32
        ):
            module.merge(adapter_names=[name])


def language_modules(model: Any, targets: Sequence[str]) -> str:
    """A pattern that matches the named linear layers of the language side only: the tower stays as it is."""
    if model.get_decoder() is model.model:  # a language model: there is no tower
        return rf"model\.layers\..*\.({'|'.join(targets)})"
    return rf".*(language_model|text_model).*\.({'|'.join(targets)})"
