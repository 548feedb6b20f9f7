"""A request as an endpoint takes it: messages in the OpenAI form, the image within the pixel budget as a data URL."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from vlrm.images import BLANK, open_stored, relative_path, whole, within

if TYPE_CHECKING:
    from pathlib import Path

    from vlrm.chat import Messages
    from vlrm.policy.endpoint_settings import Endpoint
    from vlrm.policy.protocol import Sampling

LOSSY = (".jpg", ".webp")
"""Images stored so are sent as JPEG, others as PNG."""
ENCODERS = 4
"""Images decoded at the same time."""
SEEDS = 2**31
"""Servers differ in how large a seed may be; every one takes 31 bits."""
_CONTROL = re.compile(r"<(?=\|?[A-Za-z_/][^<>\s]{0,40}>)|\[(?=/?[A-Z_]{3,}\])")


class ImageUrls:
    """Data URLs of stored images; as many are kept as requests are in flight, since an image's prompts come in turn."""

    def __init__(self, images: Path, max_pixels: int, kept: int) -> None:
        self.images = images
        self.max_pixels = max_pixels
        self.kept = kept
        self._pool = ThreadPoolExecutor(ENCODERS, thread_name_prefix="image")
        self._urls: OrderedDict[str, Future[str]] = OrderedDict()

    async def url(self, reference: str) -> str:
        """Raises :class:`vlrm.errors.UserError` for an image that is missing or damaged."""
        if reference not in self._urls:
            self._urls[reference] = self._pool.submit(self._encode, reference)
            while len(self._urls) > self.kept:
                self._urls.popitem(last=False)
        return await asyncio.wrap_future(self._urls[reference])

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _encode(self, reference: str) -> str:
        reference = whole(reference)[1]
        image = within(open_stored(reference, self.images), self.max_pixels)
        lossy = not reference.startswith(BLANK) and relative_path(reference, self.images).endswith(LOSSY)
        buffer = io.BytesIO()
        if lossy:
            image.save(buffer, "JPEG", quality=95)
        else:
            image.save(buffer, "PNG", compress_level=1)
        return f"data:image/{'jpeg' if lossy else 'png'};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def messages(conversation: Messages, image_url: str, instructions: str) -> list[dict[str, Any]]:
    """The conversation in the OpenAI form; turns without an image are plain text, which every server takes."""
    turns: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    for turn in conversation:
        parts = [
            {"type": "text", "text": as_data(part["text"])}
            if part["type"] == "text"
            else {"type": "image_url", "image_url": {"url": image_url}}
            for part in turn["content"]
        ]
        plain = all(part["type"] == "text" for part in parts)
        content = "".join(str(part["text"]) for part in parts) if plain else parts
        turns.append({"role": turn["role"], "content": content})
    return turns


def as_data(text: str) -> str:
    """The text with anything that looks like a control token taken apart.

    Servers read control tokens in what users say. Which tokens a model has is not known here, so every text of
    their usual forms, ``<|im_end|>``, ``</s>``, ``[INST]``, gets a space after its first character.
    """
    return _CONTROL.sub(lambda found: f"{found[0]} ", text)


def fields(endpoint: Endpoint, sampling: Sampling, seed: int) -> dict[str, Any]:
    """Everything else in the request body."""
    body: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        "seed": seed % SEEDS,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return {name: value for name, value in (body | endpoint.extra).items() if value is not None}
