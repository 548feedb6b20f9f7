"""What is known of an OpenAI-compatible endpoint: where it is, what is asked of it, and how patiently."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

OURS = ("messages", "model", "n", "stream")
"""Fields of the request body that ``extra`` may not set: they decide what an answer is."""
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


class Endpoint(BaseModel):
    """A model behind ``<url>/chat/completions``: vLLM, SGLang, llama.cpp, or a hosted one.

    The first fields say what is asked, so they are part of a round's key. The others say how: with another key,
    pace or price the same texts are written, and a finished round stays finished.
    """

    # A refused value is not repeated in the error: it may be a key in the wrong place.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str
    """The base that clients ask for, such as ``http://localhost:8000/v1``."""
    model: str
    instructions: str = ""
    """A system message before every conversation. What form a critique has is told by its template, not here."""
    max_pixels: int = Field(default=1_003_520, ge=1)
    """Larger images are scaled down to so many pixels."""
    extra: dict[str, Any] = {}
    """Further fields of the request body; ``null`` leaves a field out that is otherwise sent."""

    key_env: str | None = Field(default=None, exclude=True)
    """The name of the environment variable that holds the API key."""
    in_flight: int = Field(default=32, ge=1, exclude=True)
    timeout_seconds: float = Field(default=300, gt=0, exclude=True)
    """For one whole answer, its wait in the server's queue included."""
    retries: int = Field(default=8, ge=0, exclude=True)
    price_per_million_prompt_tokens: float | None = Field(default=None, ge=0, exclude=True)
    price_per_million_completion_tokens: float | None = Field(default=None, ge=0, exclude=True)

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an http:// or https:// address is needed, such as http://localhost:8000/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError(
                "no user, password, query or fragment may stand in it, it is written to logs: "
                "name the key's environment variable with key_env"
            )
        return url.rstrip("/").removesuffix("/chat/completions")

    @field_validator("key_env")
    @classmethod
    def _name_not_key(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError("the NAME of an environment variable in capitals is needed, never the key itself")
        return name

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(set(extra) & set(OURS)):
            raise ValueError(f"{', '.join(taken)} may not be set here")
        return extra
