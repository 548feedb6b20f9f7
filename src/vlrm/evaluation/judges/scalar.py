"""A reward model of ours as a judge: the answer with the higher reward is the better one."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from vlrm.evaluation.judges import critics
from vlrm.evaluation.judges.fingerprints import fingerprint, weights_of
from vlrm.evaluation.judges.protocol import TIE, Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.reward.scoring import Scorer


class ScalarJudge:
    """``folder``: what training, a release or an export wrote. It is loaded when it is first asked to judge.

    ``critiques``: how many are sampled and averaged over for each answer, by default as the model was chosen. They are
    sampled about the image that is shown, so under a blank or swapped one they are sampled again.
    """

    looks = True
    ordered = False

    def __init__(
        self,
        folder: Path,
        name: str,
        store: Path,
        critiques: int | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        from vlrm.reward.model import RewardModel

        config = RewardModel.read_config(folder)
        self.folder, self.name, self.store, self.device = folder, name, store, device
        self.critiques = config.critiques if critiques is None else critiques
        self.seed = seed
        base = folder / "base"
        drawn = (self.critiques, seed if self.critiques else None)
        self.fingerprint = fingerprint(
            type(self).judge, weights_of(folder), weights_of(base if base.exists() else config.base), *drawn
        )

    @cached_property
    def scorer(self) -> Scorer:
        from vlrm.reward.scoring import Scorer

        return Scorer.load(self.folder, self.store, device=self.device)

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """One judgement an item, with both rewards and the critiques that were read, as text
        (:mod:`vlrm.evaluation.judges.critics`); a question about no image is read without one."""
        said: dict[int, list[str]] = {}

        def hear(row: int, critiques: Sequence[str]) -> None:
            told = [critics.line(row % 2, self.scorer.verdict(critique), critique) for critique in critiques]
            said.setdefault(row // 2, []).extend(told)

        rows = [
            (image, item.question, response)
            for item, image in zip(items, images, strict=True)
            for response in item.responses
        ]
        rewards = self.scorer.rewards(rows, self.seed, self.critiques, hear=hear)
        return [
            [by_reward(float(first), float(second), "\n".join(said.get(i, ())) or None)]
            for i, (first, second) in enumerate(rewards.reshape(-1, 2))
        ]


def by_reward(first: float, second: float, text: str | None = None) -> Judgement:
    """The answer with the higher reward; equal ones tie, and what is no number is a problem and no tie."""
    if not (math.isfinite(first) and math.isfinite(second)):
        return Judgement(0, 0, None, problem=f"The rewards {first} and {second} are no numbers: check the model.")
    return Judgement(0, 0, TIE if first == second else int(second > first), first, second, text)
