"""Asks a judge about every item of a benchmark, a part at a time; what is written is never asked again.

A part is a file named by the hash of what was asked: the items' texts, the contents of their images, the view. Started
again after a kill, or with a changed benchmark, only parts that are not there are judged. Items, images and judgements
of one part are in memory, whatever the size of the benchmark.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vlrm.errors import UserError
from vlrm.evaluation.judges.protocol import JUDGED, Judgement
from vlrm.images import TOGETHER, blank, decode_image, pixels, spare_refused
from vlrm.lineage.files import replacing
from vlrm.lineage.hashing import hash_json
from vlrm.progress import say
from vlrm.user_files import image_folder, inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.judges.protocol import Judge, View

PART = 256
"""Items a part has at most."""
VERSION = 1
"""Part of every file's name: to be raised when the same part would be asked in another way."""
JUDGED_FILE = "judged.parquet"
Opened = dict[str, Image.Image | str]
"""The distinct images of a part by their hash; a text says why one cannot be read."""


@dataclass(frozen=True)
class Shown:
    """An item and the bytes of its image; ``digest`` is their hash, and ``problem`` says why there are none."""

    item: Item
    content: bytes | None = None
    digest: str | None = None
    problem: str | None = None


@dataclass
class Run:
    """What came of a benchmark: ``file`` holds all rows of :data:`JUDGED`.

    Attributes:
        items: asked about, in all views.
        asked: of them in this run; the others were found judged.
        refused: of them not judged; ``problem`` says why the first was not.
    """

    file: Path
    items: int = 0
    asked: int = 0
    refused: int = 0
    problem: str | None = None


def run(
    judge: Judge,
    items: Iterable[Item],
    out: Path,
    images: str | Path | None = None,
    views: Sequence[View] = ("image",),
    seed: int = 0,
) -> Run:
    """Judge all of ``items`` under each view, and write ``out / judged.parquet``.

    Args:
        judge: one that does not look is asked once, whatever ``views`` are.
        out: a folder of this judge and benchmark alone.
        images: the folder image paths are relative to.
        views: ``blank`` and ``swapped`` leave out the items about no image.
        seed: of the images that are swapped.

    Raises:
        UserError: the judge cannot judge at all, or not one of the items. An image that cannot be read, or that a
            model refuses, is a problem of its items, which is written with them.
    """
    folder = None if images is None else image_folder(images)
    shown = Views(judge, list(views) if judge.looks else ["image"], seed)
    done = Run(out / JUDGED_FILE)
    files, items_seen = [], 0
    for part in _parts(items, folder, judge.looks, getattr(judge, "part", PART)):
        items_seen += len(part)
        for view in shown.views:
            asked = part if view == "image" else [one for one in part if one.content is not None]
            if not asked:
                continue
            file = out / "parts" / f"{shown.name(view, asked)}.parquet"
            files.append(file)
            if not file.exists():
                _write(file, shown.judged(view, asked))
                done.asked += len(asked)
            done.items += len(asked)
            say(f"item {done.items} judged")
    if not files:
        raise UserError("the benchmark holds no item: check its file")
    _join(files, done)
    if done.refused >= done.items:
        raise UserError(f"not one of {items_seen} items could be judged by {judge.name}; the first: {done.problem}")
    return done


class Views:
    """A judge and what it is shown of each part."""

    def __init__(self, judge: Judge, views: Sequence[View], seed: int) -> None:
        self.judge, self.views, self.seed = judge, views, seed

    def name(self, view: View, part: Sequence[Shown]) -> str:
        """A hash of what is asked."""
        asked = [
            [one.item.key, one.item.task, one.item.question, one.item.responses, one.digest, one.problem]
            for one in part
        ]
        return hash_json([VERSION, view, self.seed if view == "swapped" else None, asked])[:32]

    def judged(self, view: View, part: Sequence[Shown]) -> list[dict[str, Any]]:
        """Rows of :data:`JUDGED`, in the order of the items."""
        opened = _opened(part, self.judge.looks)
        able: dict[int, Image.Image | None] = {}
        found: dict[int, list[Judgement]] = {}
        for i in range(len(part)):
            image = self._seen(view, part, i, opened)
            if isinstance(image, str):
                found[i] = [_problem(image)]
            else:
                able[i] = image
        answers = spare_refused(
            [(part[i].item, image) for i, image in able.items()],
            lambda rows: self.judge.judge([item for item, _ in rows], [image for _, image in rows]),
            lambda why: [_problem(why)],
        )
        found |= dict(zip(able, answers, strict=True))
        return [_row(part[i].item, view, judgement) for i in range(len(part)) for judgement in found[i]]

    def _seen(self, view: View, part: Sequence[Shown], i: int, opened: Opened) -> Image.Image | str | None:
        """What the judge is shown with an item, None for nothing; a text says why it is not asked."""
        one = part[i]
        if one.problem is not None:
            return one.problem
        if one.item.task == "describe" and not getattr(self.judge, "describes", False):
            return "A description is asked for, and this judge writes none."
        image = opened.get(one.digest) if one.digest is not None else None
        if not isinstance(image, Image.Image) or view == "image":
            return image
        if view == "blank":
            return blank(image)
        return self._other(part, i, opened) or "No other image is at hand in this part of the benchmark."

    def _other(self, part: Sequence[Shown], i: int, opened: Opened) -> Image.Image | None:
        """The image of another item of the part: the first other one after a drawn place."""
        start = int(hashlib.sha256(f"{self.seed} {part[i].item.key}".encode()).hexdigest()[:8], 16)
        for step in range(len(part)):
            digest = part[(start + step) % len(part)].digest
            image = opened.get(digest) if digest is not None and digest != part[i].digest else None
            if isinstance(image, Image.Image):
                return image
        return None


def _parts(items: Iterable[Item], folder: Path | None, looks: bool, most: int) -> Iterator[list[Shown]]:
    """Consecutive items, at most so many and about images of at most :data:`TOGETHER` pixels; a larger one is alone."""
    part: list[Shown] = []
    counted: dict[str, int] = {}
    read: dict[str, Shown] = {}
    for item in items:
        one = _shown(item, folder, read) if looks else Shown(item)
        fresh = pixels(io.BytesIO(one.content)) if one.content is not None and one.digest not in counted else 0
        if part and (len(part) == most or sum(counted.values()) + fresh > TOGETHER):
            yield part
            part, counted, read = [], {}, {}
            fresh = pixels(io.BytesIO(one.content)) if one.content is not None else 0
        part.append(one)
        if one.digest is not None:
            counted.setdefault(one.digest, fresh)
        if isinstance(item.image, str):
            read[item.image] = one
    if part:
        yield part


def _shown(item: Item, folder: Path | None, read: dict[str, Shown]) -> Shown:
    """The item with its image; ``read``: others of the part by their paths, since one image has many questions."""
    if item.image is None or isinstance(item.image, bytes):
        return Shown(item, item.image, None if item.image is None else _digest(item.image))
    if item.image in read:
        return replace(read[item.image], item=item)
    if folder is None:
        return Shown(item, problem=f"The image {item.image} is in no folder: give images=FOLDER.")
    try:
        content = inside(item.image, folder).read_bytes()
    except UserError as error:
        return Shown(item, problem=str(error))
    except OSError as error:
        return Shown(item, problem=f"The image {item.image} cannot be read ({error.strerror}).")
    return Shown(item, content, _digest(content))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _opened(part: Sequence[Shown], looks: bool) -> Opened:
    opened: Opened = {}
    for one in part:
        if not looks or one.digest is None or one.content is None or one.digest in opened:
            continue
        name = one.item.image if isinstance(one.item.image, str) else f"of item {one.item.id}"
        try:
            opened[one.digest] = decode_image(one.content, f"Image {name}")
        except UserError as error:
            opened[one.digest] = str(error)
    return opened


def _problem(problem: str) -> Judgement:
    return Judgement(0, 0, None, problem=problem)


def _row(item: Item, view: View, judgement: Judgement) -> dict[str, Any]:
    return {
        "key": item.key, "view": view, "order": judgement.order, "vote": judgement.vote,
        "preferred": judgement.preferred, "reward_0": judgement.reward_0, "reward_1": judgement.reward_1,
        "text": judgement.text, "problem": judgement.problem,
    }  # fmt: skip


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    with replacing(file) as new:
        pq.write_table(pa.Table.from_pylist(rows, JUDGED), new, compression="zstd", version="2.6")


def _join(files: Sequence[Path], done: Run) -> None:
    """All parts as one file, and its problems counted."""
    with replacing(done.file) as new, pq.ParquetWriter(new, JUDGED, compression="zstd", version="2.6") as writer:
        for file in files:
            table = pq.read_table(file, schema=JUDGED)
            problems = table["problem"].drop_null()
            done.refused += len(problems)
            done.problem = done.problem or (problems[0].as_py() if len(problems) else None)
            writer.write_table(table)
