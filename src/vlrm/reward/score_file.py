"""Scores a table of any size: rows are read, scored and written a part at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.images import TOGETHER, open_image, pixels, spare_refused
from vlrm.schema import F, I, S
from vlrm.user_files import image_folder, inside, stream_scored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from vlrm.reward.scoring import Scorer
    from vlrm.user_files import Row

SCORED = pa.schema(
    [("row", I), *((name, S) for name in ("id", "image", "question", "response")), ("reward", F), ("problem", S)]
)
"""``row`` counts from 1 as in the file; ``reward`` is null where ``problem`` says why there is none."""
Asked = tuple[int, "Row", "Image.Image | None"]
"""A row that can be scored: its place in the part, and its image."""
PART = 256
"""Rows that are scored together, at most; fewer where their images have more than :data:`TOGETHER` pixels."""


@dataclass(frozen=True)
class Summary:
    """What was written: rows in all, and those that could not be scored."""

    rows: int
    refused: int


def score_file(
    scorer: Scorer,
    path: str | Path,
    images: str | Path | None,
    out: Path,
    critiques: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Write the rewards of every row of ``path`` to ``out``, a Parquet file of :data:`SCORED`.

    Args:
        path: JSONL or Parquet with ``question`` and ``response``; if wanted ``image`` (a path inside ``images``),
            ``critique`` (read as it is instead of sampled ones) and ``id``.
        images: the folder of the images; None where no row has one.
        critiques: how many are sampled a response, by default as the model was chosen.

    Raises:
        UserError: the table or the folder cannot be read. A row that cannot be used is written with its problem.
    """
    folder = None if images is None else image_folder(images)
    rows = refused = 0
    unfinished = out.with_suffix(".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(unfinished, SCORED, compression="zstd", version="2.6") as writer:
        for part in _parts(stream_scored(path), folder):
            table = _scored(scorer, part, folder, critiques)
            writer.write_table(table)
            rows += table.num_rows
            refused += table.num_rows - table["problem"].null_count
            if progress is not None:
                progress(rows)
    if rows == 0:
        unfinished.unlink()
        raise UserError(f"The responses file {path} has no rows: write one line with question and response each.")
    unfinished.replace(out)
    return Summary(rows, refused)


def _parts(rows: Iterable[Row], folder: Path | None) -> Iterator[list[Row]]:
    part: list[Row] = []
    counted: dict[str, int] = {}
    for row in rows:
        name = str(row.image)
        fresh = 0 if name in counted else _pixels(row, folder)
        if part and (len(part) == PART or sum(counted.values()) + fresh > TOGETHER):
            yield part
            part, counted = [], {}
            fresh = _pixels(row, folder)
        part.append(row)
        counted.setdefault(name, fresh)
    if part:
        yield part


def _pixels(row: Row, folder: Path | None) -> int:
    """Of the row's image; 0 where it has none, or none that can be read."""
    try:
        return 0 if row.image is None or folder is None else pixels(inside(row.image, folder))
    except UserError:
        return 0


def _scored(scorer: Scorer, part: Sequence[Row], folder: Path | None, critiques: int | None) -> pa.Table:
    opened: dict[Path, Image.Image | UserError] = {}
    written: list[dict[str, Any]] = []
    asked: dict[bool, list[Asked]] = {True: [], False: []}
    for row in part:
        problem = None
        try:
            image = _checked(row, folder, opened)
            asked[row.critique is not None].append((len(written), row, image))
        except UserError as error:
            problem = str(error)
        written.append(
            {"row": row.number, "id": _said(row.id), "image": _said(row.image), "question": _said(row.question),
             "response": _said(row.response), "reward": None, "problem": problem}
        )  # fmt: skip
    for with_critique, several in asked.items():
        if several:

            def ask(asked: Sequence[Asked], with_critique: bool = with_critique) -> list[float | str]:
                given = [row.critique for _, row, _ in asked] if with_critique else None
                triples = [(image, row.question, row.response) for _, row, image in asked]
                return [float(reward) for reward in scorer.rewards(triples, critiques=critiques, given=given)]

            for (place, _, _), reward in zip(several, spare_refused(several, ask, str), strict=True):
                written[place]["problem" if isinstance(reward, str) else "reward"] = reward
    return pa.Table.from_pylist(written, SCORED)


def _checked(row: Row, folder: Path | None, opened: dict[Path, Image.Image | UserError]) -> Image.Image | None:
    """The row's image, None for none; :class:`UserError` where the row cannot be scored."""
    if row.problem is not None:
        raise UserError(row.problem)
    for name in ("question", "response"):
        if not isinstance(getattr(row, name), str):
            raise UserError(f"The {name} is no text: give {name} as a string.")
    if row.critique is not None and not isinstance(row.critique, str):
        raise UserError("The critique is no text: give it as a string, or leave it out.")
    if row.image is None:
        return None
    if folder is None:
        raise UserError("The row names an image but no folder of images was given: give images=FOLDER.")
    path = inside(row.image, folder)
    if path not in opened:
        try:
            opened[path] = open_image(path)
        except UserError as error:
            opened[path] = error
    found = opened[path]
    if isinstance(found, UserError):
        raise found
    return found


def _said(value: Any) -> str | None:
    return None if value is None else str(value)
