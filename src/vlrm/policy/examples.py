"""Examples that a small language model is shown before it describes an image: what was seen, and what to say of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from vlrm.policy.protocol import row_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.chat import Messages

SHOWN = 3
"""Examples before a question, drawn anew for every prompt: of ones that stay the same a model repeats the objects."""


class Example(BaseModel):
    """``seen``: evidence as a model that sees through experts reads it; ``says``: a description of that."""

    model_config = ConfigDict(extra="forbid")

    seen: str
    says: str


def turns(examples: Sequence[Example], question: str, prompt_id: str) -> Messages:
    """The conversation before the question: :data:`SHOWN` of ``examples``, the same for the same prompt."""
    rng = random.Random(row_seed("examples", prompt_id))  # noqa: S311 - a choice, not a secret
    chosen = rng.sample(list(examples), min(SHOWN, len(examples)))
    return [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for one in chosen
        for role, text in (("user", f"{one.seen}\n{question}"), ("assistant", one.says))
    ]
