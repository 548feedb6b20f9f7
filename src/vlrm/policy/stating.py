"""Descriptions put together from what the experts are sure of: responses that hold, for counterfactuals to be made of.

A small language model seldom writes a sentence whose every claim the evidence bears out. These do, in several ways of
putting it, and are offered against their own edits alone: beside a sample their style would give them away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vlrm.claims.rewording import takes_an
from vlrm.policy.protocol import row_seed
from vlrm.policy.sources import STATED, asks_yes_or_no, candidate
from vlrm.seeing.prefix import many

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.schema import SeenObject

SURE = 0.6
"""The least score of an object that is stated."""
FORMS = (
    ("{0}.", "A photo of {0}.", "There is {0} in the picture.", "A close up of {0}."),
    ("{0} and {1}.", "{0} with {1}.", "{0} next to {1}.", "{0} near {1}.", "A picture of {0} and {1}."),
    ("{0} with {1} and {2}.", "{0}, {1} and {2}.", "{0} and {1} near {2}.", "A photo of {0} next to {1} and {2}."),
)
"""Ways to put one, two and three objects."""


def stated(
    prompts: Sequence[Mapping[str, Any]], objects: Mapping[str, Sequence[SeenObject]], number: int
) -> list[dict[str, Any]]:
    """RESPONSES rows: ``number`` distinct descriptions at most for each prompt that asks for one.

    ``objects``: what experts see by image. Which objects a sentence names and how is drawn by prompt.
    """
    rows: list[dict[str, Any]] = []
    for prompt in prompts:
        called = _called(objects.get(str(prompt["image_sha256"]), ()))
        if not called or asks_yes_or_no(prompt["question"]):
            continue
        rng = np.random.default_rng(row_seed("stated", prompt["prompt_id"]))
        texts = dict.fromkeys(_sentence(called, rng) for _ in range(2 * number))
        rows += [
            candidate(prompt, sample, STATED) | {"response_id": f"{prompt['prompt_id']}-s{sample}", "text": text}
            for sample, text in enumerate(list(texts)[:number])
        ]
    return rows


def _called(objects: Sequence[SeenObject]) -> list[str]:
    """How each label that is surely there is said: ``a dog``, ``people``."""
    count: dict[str, int] = {}
    for thing in objects:
        if thing.score >= SURE:
            count[thing.noun] = count.get(thing.noun, 0) + 1
    return [many(noun) if n > 1 else f"{'an' if takes_an(noun) else 'a'} {noun}" for noun, n in count.items()]


def _sentence(called: Sequence[str], rng: np.random.Generator) -> str:
    named = [called[i] for i in rng.permutation(len(called))[: int(rng.integers(1, len(FORMS) + 1))]]
    forms = FORMS[len(named) - 1]
    text = forms[int(rng.integers(len(forms)))].format(*named)
    if text.startswith("There is") and not named[0].startswith(("a ", "an ")):
        text = text.replace("There is", "There are", 1)
    return text[:1].upper() + text[1:]
