"""What went wrong at an endpoint: whether asking again can help, how long to wait, and the sentence for the user."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import openai
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlrm.policy.endpoint_settings import Endpoint

PASSING = (408, 409, 425, 429)
"""Statuses below 500 that pass by themselves."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
PATIENCE = 600.0
"""Seconds; a server that asks for a longer wait is not waited for."""
_REASON = 200


@dataclass(frozen=True)
class Failure:
    """One failed attempt: what happened, what the user can do, whether asking again is pointless."""

    reason: str
    fix: str
    final: bool = False
    after: float | None = None
    """Seconds that the server asked to wait."""
    reached: bool = True
    """Whether the server was there at all."""

    def wait(self, attempt: int, jitter: float) -> float:
        """Seconds before the next attempt; ``jitter`` in [0, 1] spreads what failed together."""
        if self.after is not None:
            return self.after + jitter * FIRST_WAIT
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * (1 - jitter / 4)


def understand(error: Exception, endpoint: Endpoint, key: str, reached: bool) -> Failure | None:
    """What an attempt's exception means; None for one that is no matter of the endpoint.

    ``reached``: whether the server has ever replied. If so, a refused connection is a restart and passes.
    """
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, endpoint, key)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Failure(
            f"no whole answer within {endpoint.timeout_seconds:g} s",
            "look whether the server still works, raise timeout_seconds or lower in_flight",
        )
    if isinstance(error, openai.APIConnectionError):
        if type(error.__cause__).__name__ == "ConnectError":
            return Failure(
                "no connection: " + _line(error.__cause__, key),
                "start the server or correct policy.endpoint.url",
                final=not reached,
                reached=False,
            )
        return Failure("the connection broke off: " + _line(error.__cause__ or error, key), "look at the server's log")
    if isinstance(error, ValidationError | openai.APIResponseValidationError):
        return Failure(
            "what came is no chat completion", "look at the server's log, and whether the url ends as it should (/v1)"
        )
    return None


def _of_status(error: openai.APIStatusError, endpoint: Endpoint, key: str) -> Failure:
    status = error.status_code
    reason = f"status {status}: {_line(_said(error), key)}"
    after = retry_after(error.response.headers)
    if status in (401, 403):
        fix = (
            f"put a valid key into the environment variable {endpoint.key_env}"
            if endpoint.key_env
            else "name the environment variable that holds the API key with policy.endpoint.key_env"
        )
        return Failure(reason, f"{fix}, and see that it may use the model {endpoint.model}", final=True)
    if status == 404:
        return Failure(
            reason,
            f"see that policy.endpoint.model {endpoint.model!r} is one of {endpoint.url}/models, and that the url is "
            "the base, usually ending in /v1",
            final=True,
        )
    if status in PASSING or status >= 500:
        if after is not None and after > PATIENCE:
            return Failure(f"{reason}; it asks to wait {after:.0f} s", "run the same command again then", final=True)
        fix = "lower in_flight or wait" if status == 429 else "look at the server's log"
        return Failure(reason, fix, after=after)
    return Failure(reason, "correct what the server objects to, in policy.endpoint or policy.sampling", final=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now that ``Retry-After`` asks for, as a number or as a date."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _said(error: openai.APIStatusError) -> object:
    body = error.body
    if isinstance(body, dict):
        return body.get("message") or body.get("detail") or error.response.reason_phrase
    return body or error.response.reason_phrase


def _line(said: object, key: str) -> str:
    """One line of what was said, cut short; a server that repeats the key is not repeated."""
    text = re.sub(r"\s+", " ", str(said)).strip() or type(said).__name__
    if key:
        text = text.replace(key, "[key]")
    return text if len(text) <= _REASON else text[:_REASON] + "..."
