"""What a tower made of images: kept in memory up to a number of bytes, and on disk by content where that is asked."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

IN_MEMORY = 2**30
"""Bytes of features that a process keeps."""


@dataclass(frozen=True)
class Seen:
    """An image as the language side reads it.

    ``text``: what stands in a prompt in place of its placeholder, T image tokens among it (none where the image is
    told in words, :mod:`vlrm.seeing`); ``features`` (T, D) of those; ``deep``: of each deepstack layer the same;
    ``grid``: patches by time, height and width where positions depend on them.
    """

    text: str
    features: Tensor
    deep: tuple[Tensor, ...] = ()
    grid: tuple[int, int, int] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.text) + sum(one.numel() * one.element_size() for one in (self.features, *self.deep))


def fingerprint(modules: Iterable[nn.Module], *more: str) -> str:
    """SHA-256 of frozen weights, and of what else decides the features."""
    digest = hashlib.sha256("\n".join(more).encode())
    for module in modules:
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class SeenImages:
    """Features by image reference: the latest used in memory, all in ``folder`` if there is one.

    A file's name is a hash of the tower's fingerprint and the image's content, so that features of another tower or
    of a changed image are never taken for these.
    """

    def __init__(self, folder: Path | None = None, tower: str = "", in_memory: int = IN_MEMORY) -> None:
        self.folder = folder
        self.tower = tower
        self.in_memory = in_memory
        self._held: OrderedDict[str, Seen] = OrderedDict()
        self._bytes = 0

    def get(self, reference: str) -> Seen | None:
        found = self._held.get(reference)
        if found is not None:
            self._held.move_to_end(reference)
        elif self.folder is not None and (found := _read(self._file(reference))) is not None:
            self._hold(reference, found)
        return found

    def put(self, reference: str, seen: Seen) -> None:
        self._hold(reference, seen)
        if self.folder is not None:
            _write(self._file(reference), seen)

    def _hold(self, reference: str, seen: Seen) -> None:
        if reference not in self._held:
            self._held[reference] = seen
            self._bytes += seen.size
        while self._bytes > self.in_memory and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= oldest.size

    def _file(self, reference: str) -> Path:
        if self.folder is None:
            raise ValueError("there is no folder of features")
        name = hashlib.sha256(f"{self.tower}\n{reference}".encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"


def _write(path: Path, seen: Seen) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"features": seen.features} | {f"deep_{i}": one for i, one in enumerate(seen.deep)}
    if seen.grid is not None:
        tensors["grid"] = torch.tensor(seen.grid)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, part, {"text": seen.text})
    part.replace(path)


def _read(path: Path) -> Seen | None:
    """None where nothing is, or nothing whole: it is then made again."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            text = file.metadata()["text"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError):
        return None
    deep = [tensors[f"deep_{i}"] for i in range(sum(name.startswith("deep_") for name in tensors))]
    grid = tuple(tensors["grid"].tolist()) if "grid" in tensors else None
    return Seen(text, tensors["features"], tuple(deep), grid)
