"""What a picture looks like, in 224 bytes: a hash that survives re-encoding and resizing, and a thumbnail."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlrm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

SIDE, LOW, THUMB = 64, 16, 8
NEAR = 64
"""Bits of 255 in which two looks of one picture may differ. Measured on 100 photos: re-encoded as JPEG at quality 10 to
30 or resized to a quarter, at most 18; cropped by 5 %, 64; two different photos, at least 98."""
ALIKE = 10.0
"""Mean difference of thumbnails, of 255 levels, up to which pictures that are :data:`NEAR` are one: the hash sees no
colour, and of a picture with little in it it sees little. The same changes make at most 4.0, the crop 9.9; two photos
differ by 25 at least. A scene drawn again with one fact changed counts as the same picture."""
VERSION = 1
"""Part of the cache's keys: to be raised when a look is computed otherwise."""


@dataclass(frozen=True)
class Look:
    """``hash``: signs of the low frequencies of the grey picture, (4,) uint64; ``thumb``: (8, 8, 3) uint8."""

    hash: npt.NDArray[np.uint64]
    thumb: npt.NDArray[np.uint8]


def look(image: Image.Image) -> Look:
    """pHash (Zauner 2010) over 16 x 16 instead of 8 x 8 coefficients, the constant one left out."""
    from scipy.fft import dctn

    grey_HW = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    low = dctn(grey_HW, norm="ortho")[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    small = image.convert("RGB").resize((THUMB, THUMB), Image.Resampling.BOX)
    return Look(np.packbits(bits).view(np.uint64), np.asarray(small, dtype=np.uint8))


class Gallery:
    """Looks side by side, among which those of one picture are found."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self.hashes = np.stack([one.hash for one in looks]) if looks else np.zeros((0, 4), np.uint64)
        self.thumbs = np.stack([one.thumb for one in looks]) if looks else np.zeros((0, THUMB, THUMB, 3), np.uint8)

    def distances(self, other: Look) -> npt.NDArray[np.int64]:
        """Bits in which each look differs from ``other``."""
        return np.bitwise_count(self.hashes ^ other.hash).sum(axis=1, dtype=np.int64)

    def same(self, other: Look) -> npt.NDArray[np.int64]:
        """Places of the looks that show the same picture as ``other``."""
        near = np.flatnonzero(self.distances(other) <= NEAR)
        apart = np.abs(self.thumbs[near].astype(np.int16) - other.thumb).mean(axis=(1, 2, 3))
        return near[apart <= ALIKE]


class LookCache:
    """Looks by the hash of the image's content, kept in an SQLite file; in none when the path is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as file:
                file.execute("CREATE TABLE IF NOT EXISTS looks (image TEXT PRIMARY KEY, look BLOB) WITHOUT ROWID")

    def looks(self, shas: Sequence[str], open_one: Callable[[str], Image.Image]) -> Mapping[str, Look]:
        """The look of each image; those not known are opened. Images that ``open_one`` refuses are left out."""
        found = self._read(shas)
        fresh: dict[str, Look] = {}
        for sha in shas:
            if sha not in found and sha not in fresh:
                try:
                    fresh[sha] = look(open_one(sha))
                except UserError:
                    continue
        self._write(fresh)
        return {**found, **fresh}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed at the end."""
        try:
            with closing(sqlite3.connect(str(self.path), timeout=60)) as file, file:
                yield file
        except sqlite3.Error as error:
            raise UserError(f"The cache {self.path} cannot be used ({error}): delete it, it is made again.") from error

    def _read(self, shas: Sequence[str]) -> dict[str, Look]:
        if self.path is None:
            return {}
        found = {}
        with self._open() as file:
            for sha in shas:
                row = file.execute("SELECT look FROM looks WHERE image = ?", (f"{VERSION} {sha}",)).fetchone()
                if row is not None:
                    found[sha] = _unpacked(row[0])
        return found

    def _write(self, fresh: Mapping[str, Look]) -> None:
        if self.path is not None and fresh:
            rows = [(f"{VERSION} {sha}", one.hash.tobytes() + one.thumb.tobytes()) for sha, one in fresh.items()]
            with self._open() as file:
                file.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?)", rows)


def _unpacked(packed: bytes) -> Look:
    thumb = np.frombuffer(packed, np.uint8, offset=32).reshape(THUMB, THUMB, 3)
    return Look(np.frombuffer(packed, np.uint64, count=4), thumb)
