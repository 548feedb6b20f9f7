"""A response read claim by claim: what the model itself answers when asked of each object that the response names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlrm import chat
from vlrm.claims.naming import objects_named
from vlrm.claims.rewording import takes_an
from vlrm.reward.model import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORDING = "Is there {a} in the image?"
Odds = dict[tuple[str, str], float]
"""(image, object) -> the reward of "Yes" less that of "No" when asked whether it is there."""


def asks(noun: str) -> str:
    """The question whether there is such an object."""
    return WORDING.format(a=f"{'an' if takes_an(noun) else 'a'} {noun}")


def claim_odds(
    rows: Sequence[Row], rewards_of: Callable[[Sequence[Row]], np.ndarray], known: Odds | None = None
) -> list[dict[str, float]]:
    """Of each row ``r("Yes") - r("No")`` for every object that its response names; of those denied the negative.

    In the units of the reward, which a pairwise loss makes log-odds. A question about no image has none. ``rewards_of``
    scores rows (M,); each object of an image is asked about once, however many responses name it, and what is ``known``
    is not asked again: answers are added to it.
    """
    odds: Odds = {} if known is None else known
    said = [objects_named(row.response) if row.image is not None else {} for row in rows]
    named = ((str(row.image), noun) for row, nouns in zip(rows, said, strict=True) for noun in nouns)
    asked = list(dict.fromkeys(each for each in named if each not in odds))
    answers = [Row(image, asks(noun), answer) for image, noun in asked for answer in (chat.YES, chat.NO)]
    yes_no = rewards_of(answers).reshape(-1, 2) if answers else np.zeros((0, 2))
    odds.update(zip(asked, (yes_no[:, 0] - yes_no[:, 1]).tolist(), strict=True))
    return [
        {noun: odds[str(row.image), noun] * (1 if there else -1) for noun, there in nouns.items()}
        for row, nouns in zip(rows, said, strict=True)
    ]


def by_claim(
    rows: Sequence[Row], rewards_of: Callable[[Sequence[Row]], np.ndarray], known: Odds | None = None
) -> np.ndarray:
    """The mean of :func:`claim_odds` of each row, (N,); 0 where its response names no object.

    A mean, as the likelihood is one over tokens: by the sum (METHOD's groundedness is one) the shortest response wins.
    """
    return np.array([np.mean(list(odds.values())) if odds else 0.0 for odds in claim_odds(rows, rewards_of, known)])
