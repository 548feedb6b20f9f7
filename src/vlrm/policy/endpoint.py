"""A policy behind an OpenAI-compatible endpoint: many requests at once, asked until answered, each answered once.

The official client speaks the protocol. Its own retries are off, for they cover only part of what happens: it asks
again after a status or a broken connection, but not when a body is no chat completion, nor when one trickles in without
end (its timeout is for each read), and a server that was never there costs it every retry. Here one budget covers
all.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from vlrm.errors import UserError
from vlrm.policy.endpoint_log import Answer, AnswerLog, Usage
from vlrm.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from openai import AsyncOpenAI

    from vlrm.policy.endpoint_failures import Failure
    from vlrm.policy.endpoint_settings import Endpoint
    from vlrm.policy.protocol import Request, Sampling

log = logging.getLogger(__name__)


class EndpointWriter:
    """Writes texts by asking an endpoint. ``images`` is the image store, ``folder`` where answers are kept."""

    def __init__(self, endpoint: Endpoint, images: Path, folder: Path) -> None:
        self.endpoint = endpoint
        self.images = images
        self.folder = folder

    def write(
        self, requests: Sequence[Request], sampling: Sampling, progress: Callable[[int], None] | None = None
    ) -> list[str]:
        """See :class:`vlrm.policy.protocol.Writer`.

        Raises:
            UserError: the endpoint failed a request for good, or needs a key that is not there. What it has answered
                is kept, and not asked again.
        """
        if any(request.opening for request in requests):
            raise UserError(
                "an endpoint cannot go on from a text that is begun for it, as this template of critiques asks: set "
                "critiques.template to auto"
            )
        if not requests:
            return []
        answers = AnswerLog(self.folder, self.endpoint, sampling)
        keys = [answers.key(request) for request in requests]
        times: dict[str, int] = {}
        for key in keys:
            times[key] = times.get(key, 0) + 1
        known = answers.read(times)
        work = _Work(self.endpoint, self.images, sampling, answers, api_key(self.endpoint))
        work.heard = lambda key: progress(times[key]) if progress is not None else None
        before = Usage()
        for key, answer in known.items():
            before.add(answer)
            work.heard(key)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in known}
        try:
            if missing:
                _run(work.answer_all(missing))
        finally:
            line = summary(self.endpoint, before, work.usage, work.retries)
            say(line)
            log.info("%s; kept in %s", line, answers.path)
        known |= work.answered
        return [known[key].text for key in keys]


class _Work:
    """The requests of one call that have no answer yet, and what has come of them."""

    def __init__(self, endpoint: Endpoint, images: Path, sampling: Sampling, answers: AnswerLog, key: str) -> None:
        from vlrm.policy.endpoint_request import ImageUrls

        self.endpoint = endpoint
        self.sampling = sampling
        self.answers = answers
        self.urls = ImageUrls(images, endpoint.max_pixels, endpoint.in_flight)
        self.answered: dict[str, Answer] = {}
        self.usage = Usage()
        self.retries = 0
        self.heard: Callable[[str], None] = lambda key: None
        self._key = key
        self._reached = False
        self._failed: UserError | None = None

    async def answer_all(self, missing: dict[str, Request]) -> None:
        """Answer all, at most ``in_flight`` at a time; after a failure what is in flight still comes in, no more."""
        self._stop = asyncio.Event()
        todo = iter(missing.items())

        async def take_turns(client: AsyncOpenAI) -> None:
            for key, request in todo:
                if self._stop.is_set():
                    return
                try:
                    answer = await self._answer(client, key, request)
                    if answer is None:
                        return
                    self.answers.append(key, answer)
                except UserError as error:
                    self._failed = self._failed or error
                    self._stop.set()
                    return
                self.answered[key] = answer
                self.usage.add(answer)
                self.heard(key)

        try:
            async with _client(self.endpoint, self._key) as client, asyncio.TaskGroup() as group:
                for _ in range(min(self.endpoint.in_flight, len(missing))):
                    group.create_task(take_turns(client))
        finally:
            self.urls.close()
        if self._failed is not None:
            raise self._failed

    async def _answer(self, client: AsyncOpenAI, key: str, request: Request) -> Answer | None:
        """One answer, however many attempts; None when another request has failed for good meanwhile."""
        from vlrm.policy.endpoint_failures import understand
        from vlrm.policy.endpoint_request import fields, messages

        conversation = request.conversation
        url = "" if conversation.image is None else await self.urls.url(conversation.image)
        turns = messages(conversation.messages, url, self.endpoint.instructions)
        body = fields(self.endpoint, self.sampling, request.seed)
        jitter = int(key[:8], 16) / 0xFFFFFFFF
        for attempt in range(self.endpoint.retries + 1):
            try:
                answer = await self._ask(client, turns, body)
            except Exception as error:
                failure = understand(error, self.endpoint, self._key, self._reached)
                if failure is None:
                    raise
                self._reached = self._reached or failure.reached
            else:
                self._reached = True
                return answer.model_copy(update={"retries": attempt})
            if failure.final or attempt == self.endpoint.retries:
                raise self._given_up(failure, attempt + 1)
            wait = failure.wait(attempt, jitter)
            say(f"endpoint: {failure.reason}; asked again in {wait:.0f} s")
            self.retries += 1
            if await self._stopped(wait):
                return None
        raise AssertionError("a request is answered or given up")

    async def _ask(self, client: AsyncOpenAI, turns: list[dict[str, Any]], body: dict[str, Any]) -> Answer:
        async with asyncio.timeout(self.endpoint.timeout_seconds):
            reply = await client.chat.completions.with_raw_response.create(
                model=self.endpoint.model,
                messages=turns,  # type: ignore[arg-type]
                extra_body=body,
            )
            completion = _Completion.model_validate_json(reply.http_response.content)
        choice, usage = completion.choices[0], completion.usage or _Tokens()
        return Answer(
            text=(choice.message.content or "").strip(),
            finish=choice.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )

    async def _stopped(self, seconds: float) -> bool:
        """Wait; True as soon as another request has failed for good."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _given_up(self, failure: Failure, attempts: int) -> UserError:
        often = f" {attempts} times" if attempts > 1 else ""
        return UserError(
            f"the endpoint {self.endpoint.url} failed a request{often} ({failure.reason}): {failure.fix}, then run the "
            "same command again; what it has answered is kept and not asked again."
        )


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Tokens(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    """What is needed of a chat completion; servers differ in the rest."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


def api_key(endpoint: Endpoint) -> str:
    """The key from the environment, empty when none is needed."""
    if endpoint.key_env is None:
        return ""
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise UserError(
            f"the environment variable {endpoint.key_env} (policy.endpoint.key_env) is not set: "
            f"put the API key of {endpoint.url} into it."
        )
    return key


def _client(endpoint: Endpoint, key: str) -> AsyncOpenAI:
    try:
        from openai import AsyncOpenAI
    except ImportError as error:
        raise UserError("policy.endpoint needs the package openai: pip install 'vlrm[endpoint]'.") from error
    # Without a key of its own the client would send OPENAI_API_KEY, whosever server this is.
    return AsyncOpenAI(base_url=endpoint.url, api_key=key or "none", max_retries=0, timeout=endpoint.timeout_seconds)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def summary(endpoint: Endpoint, before: Usage, now: Usage, retries: int) -> str:
    """What was asked, what it took and, where prices are known, what it cost."""
    parts = [
        f"{now.answers} answered by {endpoint.model} at {endpoint.url} with {retries} retries",
        f"{now.prompt_tokens} prompt and {now.completion_tokens} completion tokens",
    ]
    cost, paid = now.cost(endpoint), before.cost(endpoint)
    if cost is not None:
        parts.append(f"cost {cost:.4f}")
    if before.answers:
        parts.append(f"{before.answers} kept from before" + (f" (cost {paid:.4f} then)" if paid is not None else ""))
    if empty := before.empty + now.empty:
        parts.append(f"{empty} of them empty")
    return ", ".join(parts)
