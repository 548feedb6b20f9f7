"""The critic: an adapter that learns accepted critiques, written with the evidence and learned without it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import cast_adapter_dtype
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from vlrm.critiques import templates
from vlrm.reward.adapters import language_modules, load_adapter, softcap
from vlrm.reward.schedule import warm_cosine
from vlrm_kernels.lm_head import token_logprob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vlrm.vlm import Vlm

ADAPTER = "critic"


class CriticTraining(BaseModel):
    """Settings of critic training."""

    model_config = ConfigDict(extra="forbid")

    epochs: float = Field(2, gt=0)
    rows_per_step: int = Field(24, ge=1)
    rate: float = Field(1e-3, gt=0)
    lora_rank: int = 16
    lora_alpha: int = 32


@dataclass(frozen=True)
class CriticExample:
    """A response and the critique that was accepted for it."""

    image: str
    question: str
    response: str
    critique: str
    template: str = templates.EMBEDDED_1.name
    """How it was asked for, and will be asked for again (:mod:`vlrm.critiques.templates`)."""


def language_loss(vlm: Vlm, examples: Sequence[CriticExample]) -> Tensor:
    """Mean cross-entropy of the critiques' tokens, the evidence absent from the conversation."""
    asked = [templates.named(e.template).ask(e.question, e.response, None) for e in examples]
    images = [e.image for e in examples]
    contexts = vlm.token_ids([vlm.text(messages, reply=True) for messages in asked], images)
    written = vlm.token_ids([e.critique + vlm.tokenizer.eos_token for e in examples])
    both = [a + b for a, b in zip(contexts, written, strict=True)]
    inputs = vlm.inputs(images, both, side="right")
    hidden = vlm.model.model(**inputs, use_cache=False).last_hidden_state
    ids, lengths = inputs["input_ids"], inputs["attention_mask"].sum(1).tolist()
    said = torch.zeros_like(ids, dtype=torch.bool)
    for i, (length, target) in enumerate(zip(lengths, written, strict=True)):
        said[i, length - len(target) : length] = True
    head = vlm.model.lm_head
    logp = token_logprob(
        hidden[:, :-1][said[:, 1:]], head.weight, ids[said], bias=head.bias, softcap=softcap(vlm.model.config)
    )
    return -logp.mean()


def train_critic(
    vlm: Vlm,
    examples: Sequence[CriticExample],
    settings: CriticTraining,
    targets: Sequence[str],
    seed: int,
    progress: Callable[[int, int, float], None],
) -> None:
    """Add and train the ``critic`` adapter on ``vlm`` in place."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        target_modules=language_modules(vlm.model, targets),
    )
    vlm.model.add_adapter(config, ADAPTER)
    cast_adapter_dtype(vlm.model, ADAPTER)  # to float32: in bfloat16 a small step is rounded away
    parameters = [p for n, p in vlm.model.named_parameters() if "lora_" in n]
    steps = max(1, math.ceil(settings.epochs * len(examples) / settings.rows_per_step))
    optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, steps))
    vlm.model.train()
    order = rng.permutation(len(examples))
    for step in range(steps):
        rows = [order[(step * settings.rows_per_step + i) % len(order)] for i in range(settings.rows_per_step)]
        loss = language_loss(vlm, [examples[i] for i in rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        progress(step + 1, steps, float(loss.detach()))
    vlm.model.eval()


def save_critic(vlm: Vlm, folder: Path) -> None:
    vlm.model.set_adapter(ADAPTER)
    vlm.model.save_pretrained(str(folder))


def load_critic(vlm: Vlm, folder: Path) -> None:
    """Put a trained critic on a freshly loaded base model; a folder without an adapter is the base itself."""
    if (folder / "adapter_config.json").exists():
        load_adapter(vlm.model, folder, ADAPTER)
