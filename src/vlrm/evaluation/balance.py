"""Choose pairs so that neither length nor single words give the order away."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer

from vlrm.evaluation.judged import WORD

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_PROMPT = 2
LOOK_AT = 64
LENGTH_WEIGHT = 3.0


def balanced_choice(
    pool: Sequence[dict[str, Any]],
    wanted: int,
    rng: np.random.Generator,
    taken: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Up to ``wanted`` pairs of ``pool`` (keys chosen, rejected, _of) whose differences add up to as little
    as possible.

    Greedy herding: of a few random pairs, the one is taken whose difference vector (1- and 2-grams, and which
    side is longer) points most against the sum of those taken before. At most two pairs share a prompt
    (``_of``).
    """
    if wanted <= 0 or not pool:
        return []
    rows = list(pool)
    features = _directions([*rows, *taken])
    total = np.asarray(features[len(rows) :].sum(axis=0)).ravel()
    used = Counter(item["_of"] for item in taken)
    left = list(range(len(rows)))
    chosen: list[dict[str, Any]] = []
    while left and len(chosen) < wanted:
        looked = rng.choice(len(left), min(LOOK_AT, len(left)), replace=False)
        place = int(looked[np.argmin(features[[left[i] for i in looked]] @ total)])
        left[place], left[-1] = left[-1], left[place]
        index = left.pop()
        item = rows[index]
        if used[item["_of"]] >= PER_PROMPT:
            continue
        used[item["_of"]] += 1
        chosen.append(item)
        total += features[[index]].toarray().ravel()
    return chosen


def _directions(items: Sequence[dict[str, Any]]) -> csr_matrix:
    """Unit difference vectors [items, features], with one heavy feature for which side is longer."""
    texts = [item["chosen"] for item in items] + [item["rejected"] for item in items]
    counts = (
        CountVectorizer(ngram_range=(1, 2), token_pattern=WORD.pattern)
        .fit_transform(texts)
        .astype(np.float64)
    )
    difference = csr_matrix(counts[: len(items)] - counts[len(items) :])
    norms = np.sqrt(np.asarray(difference.multiply(difference).sum(axis=1)).ravel())
    scaled = difference.multiply(1 / np.maximum(norms, 1e-12)[:, None])
    longer: npt.NDArray[np.float64] = np.sign(
        [len(WORD.findall(item["chosen"])) - len(WORD.findall(item["rejected"])) for item in items]
    ).astype(np.float64)
    return csr_matrix(hstack([scaled, csr_matrix(LENGTH_WEIGHT * longer[:, None])]))
