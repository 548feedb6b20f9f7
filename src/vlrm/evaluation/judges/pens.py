"""What a generative judge writes with: a local model, or an endpoint; images come in memory, not from a store."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vlrm.devices import device_of, dtype_of
from vlrm.evaluation.judges.fingerprints import weights_of
from vlrm.images import store
from vlrm.policy.endpoint import EndpointWriter
from vlrm.policy.local import generate
from vlrm.policy.protocol import Request
from vlrm.vlm import Conversation, Vlm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from vlrm.chat import Messages
    from vlrm.devices import PrecisionOrAuto
    from vlrm.policy.endpoint_settings import Endpoint
    from vlrm.policy.protocol import Sampling

    Asked = tuple[Image.Image | None, Messages, int]
    """An image, the messages about it, and the seed of the answer."""


class Pen(Protocol):
    """``identity``: JSON data of all that decides what is written, besides what is asked and the sampling."""

    name: str
    identity: Any

    def write(self, asked: Sequence[Asked], sampling: Sampling) -> list[str]: ...


class LocalPen:
    """A model folder or hub name, loaded when it first writes."""

    def __init__(self, base: str, dtype: PrecisionOrAuto, device: str, max_pixels: int | None) -> None:
        self.name, self.base = base, base
        self.dtype, self.device, self.max_pixels = dtype, device, max_pixels
        self.identity = [weights_of(base), dtype, max_pixels]

    @cached_property
    def vlm(self) -> Vlm:
        place = device_of(self.device)
        no_store = Path(self.base)  # every image is held in memory
        return Vlm.load(
            self.base, no_store, dtype_of(self.dtype, place), device=place, max_pixels=self.max_pixels
        )  # fmt: skip

    def write(self, asked: Sequence[Asked], sampling: Sampling) -> list[str]:
        held = _once(asked, self.vlm.hold)
        try:
            return generate(self.vlm, _requests(asked, held), sampling)
        finally:
            for reference in held.values():
                self.vlm.release(reference)


class EndpointPen:
    """An endpoint; ``answers`` is the folder its answers are kept in, so that none is asked for twice."""

    def __init__(self, endpoint: Endpoint, answers: Path) -> None:
        self.name = endpoint.model
        self.endpoint, self.answers = endpoint, answers
        self.identity = endpoint.model_dump(mode="json")

    def write(self, asked: Sequence[Asked], sampling: Sampling) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            held = _once(asked, lambda image: store(image, folder))
            return EndpointWriter(self.endpoint, Path(folder), self.answers).write(_requests(asked, held), sampling)


def _once(asked: Sequence[Asked], hold: Callable[[Image.Image], str]) -> dict[int, str]:
    """The reference of each image by its identity; one that several questions are about is held once."""
    return {number: hold(image) for number, image in {id(i): i for i, _, _ in asked if i is not None}.items()}


def _requests(asked: Sequence[Asked], held: dict[int, str]) -> list[Request]:
    return [
        Request(Conversation(None if image is None else held[id(image)], messages), seed)
        for image, messages, seed in asked
    ]
