"""Scores responses with a reward model: the same numbers in training, evaluation and serving."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from vlrm.critiques import grammar, parser
from vlrm.critiques.templates import choose
from vlrm.devices import device_of, dtype_of
from vlrm.errors import UserError
from vlrm.images import open_image, upright_rgb
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request, Sampling, row_seed
from vlrm.progress import say
from vlrm.reward.by_claim import asking_of, by_claim, claim_odds
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel, Row
from vlrm.vlm import Conversation, Vlm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vlrm.critiques.templates.template import Template
    from vlrm.reward.by_claim import Odds

BATCH = 64
"""Responses a forward pass reads."""
CRITIC_FOLDER = "critic"


def score(
    model: RewardModel,
    rows: Sequence[Row],
    progress: Callable[[int], None] | None = None,
    batch: int = BATCH,
    known: Odds | None = None,
) -> np.ndarray:
    """Rewards (N,) in the order given, which do not depend on ``batch`` beyond rounding.

    Responses to one prompt are read after it together, and batches are of at most ``batch`` responses of similar
    lengths. With ``ModelConfig.by_claim`` the things that the responses name are asked about too, except those of
    which the model's answer is ``known``; new answers are added to it.
    """
    rewards = _read(model, rows, progress, batch)
    if not model.config.by_claim:
        return rewards
    claims = by_claim(rows, lambda asked: _read(model, asked, None, batch), asking_of(model), known)
    return rewards + model.config.by_claim * claims


@torch.no_grad()
def _read(model: RewardModel, rows: Sequence[Row], progress: Callable[[int], None] | None, batch: int) -> np.ndarray:
    rewards = np.zeros(len(rows))
    for part in batches(rows, batch):
        rewards[part] = model([rows[i] for i in part]).double().cpu().numpy()
        if progress is not None:
            progress(len(part))
    return rewards


def batches(rows: Sequence[Row], batch: int) -> Iterator[list[int]]:
    """Numbers of rows that are read together: prompts by length, the responses to each side by side."""
    lengths = [len(r.question) + len(r.response) + len(r.critique or "") for r in rows]
    prompts: dict[tuple[str | None, str], list[int]] = {}
    for i, row in enumerate(rows):
        prompts.setdefault((row.image, row.question), []).append(i)
    by_length = sorted(prompts.values(), key=lambda numbers: max(lengths[i] for i in numbers))
    order = [i for numbers in by_length for i in sorted(numbers, key=lengths.__getitem__)]
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


PAIR_TEXTS = ["pair_id", "image_sha256", "question", "chosen", "rejected"]
"""What :func:`pair_margins` reads of a pair."""


def pair_margins(model: RewardModel, pairs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """r(chosen) - r(rejected) by pair id, as training reads them: without critiques, and not by claim. Every distinct
    response is scored once."""
    sides = [(pair["image_sha256"], pair["question"], pair[side]) for pair in pairs for side in ("chosen", "rejected")]
    distinct = sorted(set(sides))
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        say(f"response {done} of {len(distinct)} scored")

    rewards = _read(model, [Row(*side) for side in distinct], progress, BATCH)
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


FORMER = Sampling(max_new_tokens=96)
"""How critiques are drawn for a reward model that was released before its folder said how."""


class Scorer:
    """A reward model folder ready for use: ``rewards`` gives what training and evaluation give."""

    def __init__(self, model: RewardModel, critic: Vlm | None, sampling: Sampling) -> None:
        self.model = model
        self.critic = critic
        self.sampling = sampling

    @staticmethod
    def load(
        folder: str | Path, images: Path | None = None, base: str | Path | None = None, device: str | None = None
    ) -> Scorer:
        """Load a saved reward model in the precision and with the pixel budget it was trained with.

        ``base`` overrides where its base model lies (a registered copy carries one); ``device`` is a name of
        :func:`vlrm.devices.device_of`, by default the environment's ``VLRM_DEVICE`` or else ``auto``.
        """
        folder = Path(folder)
        store = images or folder
        named = base or (folder / "base" if (folder / "base").exists() else None)
        config = RewardModel.read_config(folder)
        place = device_of(device or os.environ.get("VLRM_DEVICE", "auto"))

        def opened() -> Vlm:
            dtype = dtype_of(config.dtype, place)
            return Vlm.load(named or config.base, store, dtype, device=place, max_pixels=config.max_pixels)

        model = RewardModel.load(folder, opened())
        critic = None
        if model.config.critiques > 0:
            critic = opened()
            load_critic(critic, folder / CRITIC_FOLDER)
        return Scorer(model, critic, config.sampling or FORMER)

    def verdict(self, critique: str) -> str | None:
        """``right`` or ``wrong`` as a critique calls the response; None where it does not parse."""
        if self.critic is None:
            return None
        found = choose(self.model.config.template, self.critic.model.config).read(critique)
        return None if isinstance(found, parser.Refusal) else found.verdict

    def rewards(
        self,
        rows: Sequence[tuple[Image.Image | str | Path | None, str, str]],
        seed: int = 0,
        critiques: int | None = None,
        given: Sequence[str | None] | None = None,
        hear: Callable[[int, Sequence[str]], None] | None = None,
    ) -> np.ndarray:
        """Rewards (N,) of (image or path, question, response); image None: the question is about no image.

        ``critiques``: how many are sampled and averaged over, by default as many as helped on the gate split.
        ``given``: a critique for each row instead, its verdict line, if any, left out of what is read. ``hear`` is told
        the number of a row and the critiques that were sampled of it, verdict lines and all.
        """
        with self._held(rows) as plain:
            if given is not None:
                said = [None if text is None else grammar.without_verdict(text) for text in given]
                return score(self.model, [replace(row, critique=text) for row, text in zip(plain, said, strict=True)])
            wanted = self.model.config.critiques if critiques is None else critiques
            return self._criticised(plain, wanted, seed, hear) if wanted else score(self.model, plain)

    def claims(self, rows: Sequence[tuple[Image.Image | str | Path | None, str, str]]) -> list[dict[str, float]]:
        """Of each row what the model thinks of every thing that the response names: the reward of "yes" less that of
        "no" when asked whether it is there; below zero the claim is called false. Things are COCO's 80 objects, for the
        embedded model the shapes of its world, with each attribute that is given to them.

        A model chosen to be read so (``by_claim`` in its ``reward.json``) has their mean in its reward.
        """
        with self._held(rows) as plain:
            return claim_odds(plain, lambda asked: _read(self.model, asked, None, BATCH), asking_of(self.model))

    @contextmanager
    def _held(self, rows: Sequence[tuple[Image.Image | str | Path | None, str, str]]) -> Iterator[list[Row]]:
        """The rows with their images held; one that several responses are about is opened once."""
        vlm = self.model.vlm
        distinct = {_key(image): image for image, _, _ in rows if image is not None}
        held = {key: vlm.hold(_opened(image)) for key, image in distinct.items()}
        references = [None if image is None else held[_key(image)] for image, _, _ in rows]
        try:
            yield [Row(ref, q, r) for ref, (_, q, r) in zip(references, rows, strict=True)]
        finally:
            for reference in references:
                for holder in (vlm, self.critic):
                    if holder is not None:
                        holder.release(reference)

    def _criticised(
        self, rows: Sequence[Row], wanted: int, seed: int, hear: Callable[[int, Sequence[str]], None] | None
    ) -> np.ndarray:
        """Means over ``wanted`` critiques; a question about no image has none to check, and is read as it is."""
        if self.critic is None:
            raise UserError(
                f"the reward model of {self.model.config.base} was chosen without critiques and has no critic: "
                "score with critiques=0"
            )
        for reference in {row.image for row in rows} - {None}:
            self.critic.hold(self.model.vlm.open(str(reference)))
        named = [
            (f"{r.image}\x1f{r.question}\x1f{r.response}", r.image, r.question, r.response) for r in rows if r.image
        ]
        template = choose(self.model.config.template, self.critic.model.config)
        requests = list(critique_requests(named, range(wanted), seed, template))
        texts = iter([template.tidy(text) for text in generate(self.critic, requests, self.sampling)])
        carried = []
        for number, row in enumerate(rows):
            said = [next(texts) for _ in range(wanted)] if row.image else []
            if hear is not None and said:
                hear(number, said)
            carried.append([replace(row, critique=grammar.without_verdict(text)) for text in said] or [row])
        rewards = iter(score(self.model, [row for several in carried for row in several]))
        return np.array([np.mean([next(rewards) for _ in several]) for several in carried])


def _key(image: Image.Image | str | Path) -> int | str:
    return id(image) if isinstance(image, Image.Image) else str(image)


def _opened(image: Image.Image | str | Path) -> Image.Image:
    return upright_rgb(image) if isinstance(image, Image.Image) else open_image(Path(image))
