"""Scores responses with a reward model: the same numbers in training, evaluation and serving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from vlrm.critiques import grammar
from vlrm.critiques.templates import choose
from vlrm.images import open_image
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request, Sampling, row_seed
from vlrm.progress import say
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel, Row
from vlrm.vlm import Conversation, Vlm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vlrm.critiques.templates.template import Template

BATCH = 64
CRITIC_FOLDER = "critic"


@torch.no_grad()
def score(
    model: RewardModel, rows: Sequence[Row], progress: Callable[[int], None] | None = None, batch: int = BATCH
) -> np.ndarray:
    """Rewards (N,) in the order given; rows of similar length share a batch, which changes no number."""
    rewards = np.zeros(len(rows))
    lengths = [len(r.question) + len(r.response) + len(r.critique or "") for r in rows]
    order = sorted(range(len(rows)), key=lengths.__getitem__)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        rewards[part] = model([rows[i] for i in part]).double().numpy()
        if progress is not None:
            progress(len(part))
    return rewards


PAIR_TEXTS = ["pair_id", "image_sha256", "question", "chosen", "rejected"]
"""What :func:`pair_margins` reads of a pair."""


def pair_margins(model: RewardModel, pairs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """r(chosen) - r(rejected) by pair id, without critiques; every distinct response is scored once."""
    sides = [(pair["image_sha256"], pair["question"], pair[side]) for pair in pairs for side in ("chosen", "rejected")]
    distinct = sorted(set(sides))
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        say(f"response {done} of {len(distinct)} scored")

    rewards = score(model, [Row(*side) for side in distinct], progress)
    of = dict(zip(distinct, rewards, strict=True))
    margins = np.array([of[side] for side in sides]).reshape(-1, 2)
    return {pair["pair_id"]: float(a - b) for pair, (a, b) in zip(pairs, margins, strict=True)}


def critique_requests(
    rows: Sequence[tuple[str, str, str, str]], samples: Sequence[int], seed: int, template: Template
) -> Iterator[Request]:
    """One request per response and sample; ``rows`` are (response id, image, question, response)."""
    for identity, image, question, response in rows:
        messages = template.ask(question, response, None)
        for sample in samples:
            yield Request(Conversation(image, messages), row_seed("critique", seed, identity, sample))


class Scorer:
    """A reward model folder ready for use: ``rewards`` gives what training and evaluation give."""

    def __init__(self, model: RewardModel, critic: Vlm | None, sampling: Sampling) -> None:
        self.model = model
        self.critic = critic
        self.sampling = sampling

    @staticmethod
    def load(folder: str | Path, images: Path | None = None, base: str | Path | None = None) -> Scorer:
        """Load a saved reward model; ``base`` overrides where its base model lies (a registered copy carries one)."""
        folder = Path(folder)
        store = images or folder
        named = base or (folder / "base" if (folder / "base").exists() else None)
        config_base = named or RewardModel.read_config(folder).base
        model = RewardModel.load(folder, Vlm.load(config_base, store))
        critic = None
        if model.config.critiques > 0:
            critic = Vlm.load(config_base, store)
            load_critic(critic, folder / CRITIC_FOLDER)
        return Scorer(model, critic, Sampling(max_new_tokens=96))

    def rewards(self, rows: Sequence[tuple[Image.Image | str | Path, str, str]], seed: int = 0) -> np.ndarray:
        """Rewards (N,) of (image or path, question, response); the mean over sampled critiques where they help."""
        opened = [image if isinstance(image, Image.Image) else open_image(Path(image)) for image, _, _ in rows]
        references = [self.model.vlm.hold(image) for image in opened]
        plain = [Row(ref, q, r) for ref, (_, q, r) in zip(references, rows, strict=True)]
        wanted = self.model.config.critiques
        if self.critic is None or wanted == 0:
            return score(self.model, plain)
        for image in opened:
            self.critic.hold(image)
        named = [(f"{ref}\x1f{q}\x1f{r}", ref, q, r) for ref, (_, q, r) in zip(references, rows, strict=True)]
        template = choose(self.model.config.template, self.critic.model.config)
        requests = list(critique_requests(named, range(wanted), seed, template))
        texts = [template.tidy(text) for text in generate(self.critic, requests, self.sampling)]
        carried = [
            Row(row.image, row.question, row.response, grammar.without_verdict(texts[i * wanted + m]))
            for i, row in enumerate(plain)
            for m in range(wanted)
        ]
        return score(self.model, carried).reshape(len(rows), wanted).mean(1)
