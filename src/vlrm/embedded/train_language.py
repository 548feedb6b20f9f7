"""Stage two of the embedded VLM: captions, questions, verifications and critiques over the frozen tower's tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vlrm.embedded.build import IMAGE

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

    from vlrm.embedded.corpus import Row

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Encoded:
    """Token ids of each row, where its target starts, and the weight of its target tokens."""

    ids: list[list[int]]
    starts: list[int]
    images: np.ndarray
    weights: np.ndarray


def encode_rows(rows: list[Row], tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> Encoded:
    contexts = tokenizer([row.context.replace(IMAGE, IMAGE * image_tokens) for row in rows])["input_ids"]
    targets = tokenizer([row.target for row in rows])["input_ids"]
    return Encoded(
        [a + b for a, b in zip(contexts, targets, strict=True)],
        [len(a) for a in contexts],
        np.array([row.image for row in rows]),
        np.array([row.weight for row in rows], np.float32),
    )


def batches(encoded: Encoded, tokens: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Row numbers by similar length, at most ``tokens`` padded tokens a batch, batches in random order."""
    lengths = np.array([len(ids) for ids in encoded.ids])
    order = np.argsort(lengths + rng.uniform(-4, 4, len(lengths)), kind="stable")
    made: list[np.ndarray] = []
    start = 0
    while start < len(order):
        size = max(1, tokens // int(lengths[order[min(start + 8, len(order) - 1)]] + 6))
        made.append(order[start : start + size])
        start += size
    for index in rng.permutation(len(made)):
        yield made[index]


def batch_loss(
    model: LlavaForConditionalGeneration, encoded: Encoded, rows: np.ndarray, seen: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted mean cross-entropy over target tokens, and the plain mean per row (R,).

    ``seen``: the tower's tokens of every image, (N, tokens, hidden_size).
    """
    longest = max(len(encoded.ids[r]) for r in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    target = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, r in enumerate(rows):
        length = len(encoded.ids[r])
        ids[i, :length] = torch.tensor(encoded.ids[r])
        target[i, encoded.starts[r] : length] = True
    image = model.model.multi_modal_projector(seen[encoded.images[rows]])
    embedded = model.get_input_embeddings()(ids)
    mask = (ids == model.config.image_token_id)[..., None].expand_as(embedded)
    embedded = embedded.masked_scatter(mask, image.to(embedded.dtype))
    hidden = model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
    wanted = target[:, 1:]
    logits = model.lm_head(hidden[:, :-1][wanted]).float()
    losses = functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    owner = wanted.nonzero()[:, 0]
    weight = torch.from_numpy(encoded.weights[rows])[owner]
    per_row = torch.zeros(len(rows)).index_add(0, owner, losses.detach()) / wanted.sum(1)
    return (losses * weight).sum() / weight.sum(), per_row


def train_language(
    model: LlavaForConditionalGeneration,
    encoded: Encoded,
    seen: Tensor,
    validation: tuple[Encoded, Tensor],
    *,
    epochs: int,
    tokens: int = 6000,
    rate: float = 2e-3,
    seed: int = 0,
    progress: Progress = print,
) -> dict[str, float]:
    """Train all but the tower in place; returns the validation loss."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model.model.vision_tower.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    total = epochs * sum(1 for _ in batches(encoded, tokens, np.random.default_rng(seed)))
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total + epochs * 20, pct_start=0.05)
    started, step, running = time.monotonic(), 0, 0.0
    model.train()
    for _ in range(epochs):
        for rows in batches(encoded, tokens, rng):
            loss, _ = batch_loss(model, encoded, rows, seen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            running = 0.98 * running + 0.02 * float(loss.detach()) if running else float(loss.detach())
            if step % 100 == 0:
                progress(f"language step {step}/{total} loss {running:.3f} {time.monotonic() - started:.0f} s")
    figures = {"validation_loss": validation_loss(model, *validation, tokens=tokens)}
    progress(f"language validation loss {figures['validation_loss']:.4f}")
    return figures


@torch.no_grad()
def validation_loss(model: LlavaForConditionalGeneration, encoded: Encoded, seen: Tensor, tokens: int = 6000) -> float:
    """Mean loss per row."""
    model.eval()
    losses = [batch_loss(model, encoded, rows, seen)[1] for rows in batches(encoded, tokens, np.random.default_rng(0))]
    model.train()
    return float(torch.cat(losses).mean())
