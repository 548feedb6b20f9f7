"""TRL's RewardTrainer against shared prompts: the same text model, pairs, loss and optimizer, step by step."""

from __future__ import annotations

import copy
import logging
import random
import tempfile
import time
from contextlib import redirect_stdout
from importlib import metadata
from importlib.util import find_spec
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from transformers import Qwen2Config, Qwen2ForSequenceClassification

from interleaved import Figure, speedup
from training_models import Sizes, family_models
from vlrm.families import Family, Layout
from vlrm.reward.attention import SEGMENTS
from vlrm.reward.layout import Branch, Tree, lay
from vlrm_kernels.pair_margin import pair_margin

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

WANTED = "1.16.0"
EQUAL = 5e-6
"""Losses are equal to 5 decimals where they lie no further apart."""
Pair = dict[str, list[int]]


class SharedText:
    """A text model for sequence classification on shared prompts: packed rows, the score read at each answer's end.

    It is what :func:`vlrm.reward.layout.lay` asks of a :class:`vlrm.vlm.Vlm`, for a model that sees no image.
    """

    image_token_id = -1
    family = Family()

    def __init__(self, model: Any, pad: int) -> None:
        model.set_attn_implementation(SEGMENTS)
        self.model = model
        self.tokenizer = SimpleNamespace(pad_token_id=pad)

    def positions(self, ids: list[int], seen: None) -> Tensor:
        return torch.arange(len(ids))[None]

    def vision(self, seen: list[None]) -> dict[str, Any]:
        return {}

    def loss(self, pairs: list[Pair]) -> Tensor:
        """Bradley-Terry, neither weighted nor centred: what TRL computes unless told otherwise."""
        trees = []
        for pair in pairs:
            sides = pair["chosen_ids"], pair["rejected_ids"]
            shared = next(i for i, (a, b) in enumerate(zip(*sides, strict=False)) if a != b)
            trees.append(Tree(None, sides[0][:shared], [Branch(ids[shared:], []) for ids in sides]))
        batch = lay(trees, self, Layout.PACKED)
        hidden_TD = self.model.model(**batch.inputs).last_hidden_state.flatten(0, 1)
        rewards = self.model.score(hidden_TD[batch.last_R])[:, 0]
        ones = torch.ones(len(pairs))
        return pair_margin(rewards[::2], rewards[1::2], ones, torch.zeros(len(pairs))).loss


def text_model(sizes: Sizes, pad: int) -> Any:
    """A random Qwen2 of the sizes' language side, whose reward is a score of the last token."""
    config = Qwen2Config(
        vocab_size=sizes.words, hidden_size=sizes.width, intermediate_size=sizes.inner,
        num_hidden_layers=sizes.layers, num_attention_heads=sizes.heads, num_key_value_heads=sizes.key_heads,
        max_position_embeddings=4096, pad_token_id=pad, bos_token_id=None, eos_token_id=pad, num_labels=1,
    )  # fmt: skip
    torch.manual_seed(0)
    return Qwen2ForSequenceClassification(config)


def token_pairs(sizes: Sizes, batches: int) -> list[list[Pair]]:
    """Batches of pairs in tokens: a prompt of ``sizes.prefix``, answers of ``sizes.short`` that differ at once."""
    draw = random.Random(3)  # noqa: S311

    def some(count: int) -> list[int]:
        return [draw.randrange(10, sizes.words) for _ in range(count)]

    def pair() -> Pair:
        prompt, first = some(sizes.prefix), draw.sample(range(10, sizes.words), 2)
        chosen, rejected = ([*prompt, at, *some(draw.randint(*sizes.short) - 1)] for at in first)
        return {"chosen_ids": chosen, "rejected_ids": rejected}

    return [[pair() for _ in range(sizes.pairs)] for _ in range(batches)]


def trl_trainer(model: Any, tokenizer: Any, pairs: list[Pair], batch: int, folder: str) -> Any:
    """TRL's trainer in float32 without gradient checkpointing, which it would turn on and which costs time."""
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    logging.getLogger("transformers").setLevel(logging.ERROR)
    settings = RewardConfig(
        folder, per_device_train_batch_size=batch, learning_rate=1e-5, lr_scheduler_type="constant", bf16=False,
        gradient_checkpointing=False, use_cpu=True, report_to="none", disable_tqdm=True, max_length=None, seed=0,
    )  # fmt: skip
    with redirect_stdout(StringIO()):
        return RewardTrainer(model, settings, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)


def against_trl(sizes: Sizes, repeats: int) -> Figure:
    """Forward, backward and optimizer of both trainers on batch after batch, each in turn; losses must stay equal."""
    if find_spec("trl") is None or find_spec("datasets") is None:
        return Figure(None, why_not=f"trl is not installed: uv pip install -e '.[bench]' (trl {WANTED})")
    if metadata.version("trl") != WANTED:
        return Figure(None, why_not=f"trl {metadata.version('trl')} is installed, the figure is against {WANTED}")
    tokenizer = family_models.qwen_tokenizer()
    batches = token_pairs(sizes, repeats + 1)
    theirs = text_model(sizes, tokenizer.pad_token_id)
    ours = SharedText(copy.deepcopy(theirs).train(), tokenizer.pad_token_id)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(theirs, tokenizer, [pair for one in batches for pair in one], sizes.pairs, folder)
    trainer.current_gradient_accumulation_steps = 1  # what its train() sets before the first step
    trainer.create_optimizer()
    trainer.model.train()
    kind, settings = trainer.get_optimizer_cls_and_kwargs(trainer.args)
    optimizer = kind(ours.model.parameters(), **settings)

    def trl_step(pairs: list[Pair]) -> Tensor:
        loss: Tensor = trainer.training_step(trainer.model, trainer.data_collator(pairs))
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        return loss

    def shared_step(pairs: list[Pair]) -> Tensor:
        loss = ours.loss(pairs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return _in_step({"trl": trl_step, "shared": shared_step}, batches)


def _in_step(ways: dict[str, Callable[[list[Pair]], Tensor]], batches: list[list[Pair]]) -> Figure:
    """The first batch warms up; :class:`RuntimeError` where losses part."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, list[float]] = {name: [] for name in ways}
    for number, pairs in enumerate(batches):
        for name in sorted(ways, reverse=bool(number % 2)):
            start = time.process_time()
            loss = ways[name](pairs)
            taken[name].append(time.process_time() - start)
            losses[name].append(float(loss))
    apart = max(abs(a - b) for a, b in zip(losses["trl"], losses["shared"], strict=True))
    if not apart <= EQUAL:
        raise RuntimeError(f"losses of TRL and of shared prompts are {apart:.1e} apart: {losses}")
    figure = speedup({name: times[1:] for name, times in taken.items()}, "trl", "shared")
    return Figure(figure.values, figure.more | {"losses": losses, "largest_loss_difference": apart})
