"""Whether a benchmark's images or texts are in what any round has trained on: then it examines memory."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.evaluation.looks import Gallery, LookCache, look
from vlrm.images import open_image, relative_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.looks import Look

log = logging.getLogger(__name__)
TABLES = {"pairs.parquet": ("question", "chosen", "rejected"), "critique_targets.parquet": ("response", "critique")}
"""What a round trains on, and the texts in it: kept pairs for the reward model, accepted critiques for the critic."""
WORDS = 20
"""Shorter texts are said of many images ("There is a dog on the grass.")."""
RESEMBLING = 96
"""Bits of 255 up to which an image may be a changed copy (cropped, recoloured): enough where a long text is shared too.
Of two different photos one pair in thousands comes as near."""
ITEMS = 10_000
"""Items compared at once, which bounds the memory; training data are read again for every so many."""
ROWS = 4096
NOT_AT_HAND, NO_IMAGE = -1, -2
_WORD = re.compile(r"\w+")
_NAMED = 3
Windows = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Leak:
    """An item that is in training data. ``what``: "image" or "text"; ``where``: the table; ``image``: its sha256."""

    key: str
    id: str
    what: str
    where: Path
    image: str


@dataclass
class Leaks:
    """What was found, each item once by image and once by text, and how much was compared."""

    found: list[Leak] = field(default_factory=list)
    items: int = 0
    unseen: int = 0
    """Items whose image is not at hand: only their texts could be compared."""
    tables: int = 0
    lost: int = 0
    """Training images that are no longer in the store."""

    def told(self, name: str) -> str:
        """What leaks and where, in one sentence's beginning."""
        parts = []
        for what, says in (("image", "by image"), ("text", f"by {WORDS} or more words in a row")):
            leaks = [leak for leak in self.found if leak.what == what]
            if leaks:
                shown = ", ".join(f"{one.id} = {one.image[:12]} in {one.where}" for one in leaks[:_NAMED])
                more = ", ..." if len(leaks) > _NAMED else ""
                parts.append(f"{len(leaks)} {says} ({shown}{more})")
        count = len({leak.key for leak in self.found})
        return f"{count} of {self.items} items of {name} are in what a round trained on: {'; '.join(parts)}"


def refuse_leaks(name: str, leaks: Leaks, allow: bool = False) -> None:
    """Stop where something leaks, or with ``allow`` warn.

    Raises:
        UserError: something leaks and is not allowed to.
    """
    if leaks.unseen:
        log.warning("%d of %d items of %s have images that are not at hand: only their texts were compared with "
                    "training data", leaks.unseen, leaks.items, name)  # fmt: skip
    if leaks.lost:
        log.warning("%d training images are no longer in the store: nothing was compared with them", leaks.lost)
    if not leaks.found:
        return
    if not allow:
        raise UserError(f"{leaks.told(name)}: choose another benchmark, or add --params allow_leaks=true to go on.")
    log.warning("%s; allow_leaks=true: its figures say little of unseen images", leaks.told(name))


def find_leaks(
    items: Iterable[Item],
    show: Callable[[Item], Image.Image | None],
    rounds: Path,
    store: Path,
    cache: Path | None = None,
) -> Leaks:
    """Items whose image, or whose answers about the same image, are in the training tables of any round.

    Args:
        items: the benchmark, in any number.
        show: opens an item's image; None where it is about none or it is not at hand.
        rounds: the folder of all experiments, ``<rounds>/<experiment>/NN/pairs.parquet``.
        store: the content-addressed image store.
        cache: an SQLite file in which looks of training images are kept.

    An image is the same by :mod:`vlrm.evaluation.looks`. A text counts where :data:`WORDS` words in a row are shared,
    case and punctuation aside, and the images resemble each other or the item's is not at hand.
    """
    tables = sorted(path for name in TABLES for path in rounds.glob(f"**/{name}"))
    leaks = Leaks(tables=len(tables))
    if not tables:
        return leaks
    looks = LookCache(cache)
    stream = iter(items)
    while (bench := _Part(islice(stream, ITEMS), show)).names:
        leaks.items += len(bench.names)
        leaks.unseen += bench.unseen
        lost: set[str] = set()
        for path in tables:
            for rows in _rows(path):
                bench.compare(path, rows, looks, store, lost)
        leaks.lost = max(leaks.lost, len(lost))
        leaks.found += bench.found.values()
    return leaks


def _rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Parts of a table; of pairs those that were kept."""
    with pq.ParquetFile(path) as table:
        wanted = {"image_sha256", "refused", *TABLES[path.name]}
        for batch in table.iter_batches(ROWS, columns=[name for name in table.schema_arrow.names if name in wanted]):
            yield [row for row in batch.to_pylist() if row.get("refused") is None]


class _Part:
    """Some items of a benchmark as looks of their distinct images and hashed windows of their texts."""

    def __init__(self, items: Iterable[Item], show: Callable[[Item], Image.Image | None]) -> None:
        self.names: list[tuple[str, str]] = []
        self.found: dict[tuple[str, str], Leak] = {}
        self._show = show
        self._places: dict[object, int] = {}
        self._looks: list[Look] = []
        shown: list[int] = []
        told: list[Windows] = []
        for item in items:
            self.names.append((item.key, item.id))
            shown.append(self._place(item))
            texts = (item.question, *item.responses)
            told.append(np.unique(np.concatenate([windows(text) for text in texts])))
        self.shown = np.array(shown, dtype=np.int64)
        """Number of each item's image, or :data:`NOT_AT_HAND`, or :data:`NO_IMAGE`."""
        self.unseen = int((self.shown == NOT_AT_HAND).sum())
        self.gallery = Gallery(self._looks)
        every = np.concatenate(told) if told else np.zeros(0, np.uint64)
        order = np.argsort(every, kind="stable")
        self.windows = every[order]
        self.owners = np.repeat(np.arange(len(told), dtype=np.int32), [len(hashes) for hashes in told])[order]

    def _place(self, item: Item) -> int:
        if item.image is None:
            return NO_IMAGE
        name = item.image if isinstance(item.image, str) else hashlib.sha256(item.image).digest()
        if name not in self._places:
            image = self._show(item)
            self._places[name] = NOT_AT_HAND if image is None else len(self._looks)
            if image is not None:
                self._looks.append(look(image))
        return self._places[name]

    def compare(
        self, path: Path, rows: Sequence[dict[str, Any]], looks: LookCache, store: Path, lost: set[str]
    ) -> None:
        shas = list(dict.fromkeys(row["image_sha256"] for row in rows))
        known = looks.looks(shas, lambda sha: open_image(store / relative_path(sha, store)))
        lost.update(sha for sha in shas if sha not in known)
        for sha, one in known.items():
            for place in self.gallery.same(one):
                for about in np.flatnonzero(self.shown == place):
                    self._note(int(about), "image", path, sha)
        texts = dict.fromkeys((row["image_sha256"], row[name]) for row in rows for name in TABLES[path.name])
        for sha, text in texts:
            for row in self._sharing(text):
                if self._resembles(row, known.get(sha)):
                    self._note(row, "text", path, sha)

    def _sharing(self, text: str) -> list[int]:
        """Items that have :data:`WORDS` words in a row in common with ``text``."""
        asked = windows(text)
        if not len(asked) or not len(self.windows):
            return []
        first = np.searchsorted(self.windows, asked, "left")
        last = np.searchsorted(self.windows, asked, "right")
        return sorted({int(row) for a, b in zip(first, last, strict=True) for row in self.owners[a:b]})

    def _resembles(self, row: int, other: Look | None) -> bool:
        """Whether an item may be about the picture ``other``; one about no picture is not."""
        place = self.shown[row]
        if place == NO_IMAGE:
            return False
        if place == NOT_AT_HAND:
            return True
        return other is not None and int(self.gallery.distances(other)[place]) <= RESEMBLING

    def _note(self, row: int, what: str, path: Path, sha: str) -> None:
        key, name = self.names[row]
        self.found.setdefault((key, what), Leak(key, name, what, path, sha))


def windows(text: str) -> Windows:
    """A 64-bit hash of every :data:`WORDS` words in a row, each once; none of a shorter text."""
    words = [_hashed(word) for word in _WORD.findall(text.lower())]
    if len(words) < WORDS:
        return np.zeros(0, np.uint64)
    rows = np.lib.stride_tricks.sliding_window_view(np.array(words, dtype=np.uint64), WORDS)
    with np.errstate(over="ignore"):
        return np.unique((rows * _WEIGHTS).sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=65536)
def _hashed(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


_WEIGHTS = np.array([_hashed(f"place {place}") | 1 for place in range(WORDS)], dtype=np.uint64)
"""Odd numbers, so that the order of words counts."""
