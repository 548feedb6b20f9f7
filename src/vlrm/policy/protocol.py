"""What every policy is: something that writes the next turn of a conversation about an image, on a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlrm.vlm import Conversation


class Sampling(BaseModel):
    """How texts are drawn: ``temperature`` 0 takes the likeliest token; ``top_p`` keeps the smallest such nucleus.

    A text ends before the first of the ``stop`` strings. ``batch_size`` is how many texts are written at once.
    """

    model_config = ConfigDict(extra="forbid")

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, ge=1)
    batch_size: int = Field(default=128, ge=1)
    # Left out of a round's key while there is none: rounds from before it stay what they are.
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), exclude_if=lambda stop: not stop)


@dataclass(frozen=True)
class Request:
    """One text to be written: a conversation whose next turn is the assistant's, and the seed of its sample.

    ``opening``: what that turn begins with; the text goes on after it.
    """

    conversation: Conversation
    seed: int
    opening: str = ""


SEEDS = 2**56


def row_seed(*parts: object) -> int:
    """A seed below ``SEEDS`` from what a row is, so that the same row draws the same sample in every run."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


class Writer(Protocol):
    """A policy at work: a local model, or an endpoint."""

    def write(
        self, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
    ) -> list[str]:
        """The assistant's next turn for each request, in the order given; ``progress`` hears how many more are
        done."""
        ...
