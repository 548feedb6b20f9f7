"""A response read claim by claim: what the model itself answers when asked of each thing that the response names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vlrm import chat
from vlrm.claims.naming import objects_named, phrases_named
from vlrm.claims.rewording import takes_an
from vlrm.embedded.tower import SceneTowerConfig
from vlrm.reward.model import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.reward.model import RewardModel

World = Literal["photos", "embedded"]
Odds = dict[tuple[str, str], float]
"""(image, thing) -> the reward of "yes" less that of "no" when asked whether it is there."""


@dataclass(frozen=True)
class Asking:
    """How a world's things are asked about; ``named`` takes a response and its question, ``scale`` is of round 0.

    In ``question``, ``yes`` and ``no`` "{a}" stands for the thing with its article, "{thing}" for it without.
    """

    named: Callable[[str, str], dict[str, bool]]
    question: str
    yes: str
    no: str
    scale: float

    def of(self, thing: str) -> tuple[str, str, str]:
        """The question whether there is such a thing, and its two answers."""
        words = {"a": f"{'an' if takes_an(thing) else 'a'} {thing}", "thing": thing}
        return self.question.format(**words), self.yes.format(**words), self.no.format(**words)


ASKING: dict[World, Asking] = {
    "photos": Asking(
        lambda response, _: objects_named(response), "Is there {a} in the image?", chat.YES, chat.NO, scale=4.0
    ),
    # The embedded model was not trained to say a bare yes or no: a sentence is what it weighs well.
    "embedded": Asking(
        phrases_named, "Is there {a}?", "Yes, there is {a}.", "No, there is no {thing}.", scale=1.0
    ),
}  # fmt: skip
"""The scales are those of the settings ``reward.by_claim`` in conf/photos and conf/base."""


def asking_of(model: RewardModel) -> Asking:
    """How a reward model is asked: the embedded one about its own scenes, every other about photos."""
    vision = getattr(model.backbone.config, "vision_config", None)
    return ASKING["embedded" if isinstance(vision, SceneTowerConfig) else "photos"]


def claim_odds(
    rows: Sequence[Row],
    rewards_of: Callable[[Sequence[Row]], np.ndarray],
    asking: Asking,
    known: Odds | None = None,
) -> list[dict[str, float]]:
    """Of each row ``r(yes) - r(no)`` for every thing that its response names; of those denied the negative.

    In the units of the reward, which a pairwise loss makes log-odds. A question about no image has none. ``rewards_of``
    scores rows (M,); each thing in an image is asked about once, however many responses name it, and what is ``known``
    is not asked again: answers are added to it.
    """
    odds: Odds = {} if known is None else known
    said = [asking.named(row.response, row.question) if row.image is not None else {} for row in rows]
    named = ((str(row.image), thing) for row, things in zip(rows, said, strict=True) for thing in things)
    asked = list(dict.fromkeys(each for each in named if each not in odds))
    answers = []
    for image, thing in asked:
        question, yes, no = asking.of(thing)
        answers += [Row(image, question, yes), Row(image, question, no)]
    yes_no = rewards_of(answers).reshape(-1, 2) if answers else np.zeros((0, 2))
    odds.update(zip(asked, (yes_no[:, 0] - yes_no[:, 1]).tolist(), strict=True))
    return [
        {thing: odds[str(row.image), thing] * (1 if there else -1) for thing, there in things.items()}
        for row, things in zip(rows, said, strict=True)
    ]


def by_claim(
    rows: Sequence[Row],
    rewards_of: Callable[[Sequence[Row]], np.ndarray],
    asking: Asking,
    known: Odds | None = None,
) -> np.ndarray:
    """The mean of :func:`claim_odds` of each row, (N,); 0 where its response names nothing.

    A mean, as the likelihood is one over tokens: by the sum (METHOD's groundedness is one) the shortest response wins.
    """
    return np.array(
        [np.mean(list(odds.values())) if odds else 0.0 for odds in claim_odds(rows, rewards_of, asking, known)]
    )
