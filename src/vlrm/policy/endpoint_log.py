"""The answers of an endpoint, one JSON line each: what was paid for is never asked again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from vlrm.errors import UserError
from vlrm.lineage.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from vlrm.policy.endpoint_settings import Endpoint
    from vlrm.policy.protocol import Request, Sampling


class Answer(BaseModel):
    """What an endpoint said to one request, and what that took."""

    text: str
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    retries: int = 0


@dataclass
class Usage:
    """What a number of answers took."""

    answers: int = 0
    empty: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, answer: Answer) -> None:
        self.answers += 1
        self.empty += not answer.text
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def cost(self, endpoint: Endpoint) -> float | None:
        """In the currency of the prices; None where there are none. Failed attempts are not in it."""
        prices = (endpoint.price_per_million_prompt_tokens, endpoint.price_per_million_completion_tokens)
        if prices == (None, None):
            return None
        return (self.prompt_tokens * (prices[0] or 0) + self.completion_tokens * (prices[1] or 0)) / 1e6


class AnswerLog:
    """One file for one endpoint, model and sampling; answers are found by a hash of all that was asked.

    A line is handed to the system whole and at once, so a kill can only truncate the last; that one is ignored.
    """

    def __init__(self, folder: Path, endpoint: Endpoint, sampling: Sampling) -> None:
        asked = endpoint.model_dump(mode="json")  # without what is only about pace, price and key
        self.identity = hash_json([asked, sampling.model_dump(mode="json", exclude={"batch_size"})])
        self.path = folder / f"{self.identity[:32]}.jsonl"

    def key(self, request: Request) -> str:
        """A hash of the endpoint, the sampling, the image, the messages and the seed."""
        conversation = request.conversation
        return hash_json([self.identity, conversation.image, conversation.messages, request.seed])

    def read(self, keys: Collection[str]) -> dict[str, Answer]:
        """The answers that are there already, of those asked for."""
        found: dict[str, Answer] = {}
        if not self.path.exists():
            return found
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    if row["key"] in keys:
                        found[row["key"]] = Answer.model_validate(row["answer"])
                except (ValueError, TypeError, KeyError, ValidationError):
                    continue
        return found

    def append(self, key: str, answer: Answer) -> None:
        """Keep one answer. Raises :class:`UserError` when it cannot be written."""
        line = json.dumps({"key": key, "answer": answer.model_dump()}, separators=(",", ":")).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+", buffering=0) as file:
                if file.seek(0, os.SEEK_END) and not self._ends_a_line(file.fileno()):
                    line = b"\n" + line  # what a kill left behind must not swallow this one
                if file.write(line) != len(line):
                    raise OSError("only part of a line was written")
        except OSError as error:
            raise UserError(
                f"the endpoint's answers cannot be kept in {self.path} ({error.strerror or error}): "
                "make room or make it writable, and run the same command again."
            ) from error

    @staticmethod
    def _ends_a_line(descriptor: int) -> bool:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, 1, size - 1) == b"\n"
