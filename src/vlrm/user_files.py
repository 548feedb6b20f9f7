"""Brings users' images and questions in: reads their table, stores what is good by content, sets bad rows aside."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.images import StoreError, relative_path, store
from vlrm.progress import track
from vlrm.schema import PROMPTS, QUARANTINE, USER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DESCRIBE = "Describe the image."
LONGEST_QUESTION = 2000
"""Characters; a longer one is no question about an image, and would not fit a small model's window."""
_DESCRIBING = re.compile(
    r"(please |can you |could you )?describe\b|what (is|can you see|do you see) in (the|this) (image|picture|photo)",
    re.IGNORECASE,
)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_NAMED = 80


@dataclass(frozen=True)
class Row:
    """One line of a user's table; ``number`` counts from 1, ``problem`` says why it could not be read."""

    number: int
    image: Any = None
    question: Any = None
    id: Any = None
    problem: str | None = None
    response: Any = None
    critique: Any = None


@dataclass(frozen=True)
class Form:
    """What a user's table must have; ``name`` is what errors call it."""

    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]


PROMPTS_FILE = Form("prompts", ("image", "question"), ("id",))
RESPONSES_FILE = Form("responses", ("image", "response"), ("question", "id"))
SCORED_FILE = Form("responses", ("question", "response"), ("image", "critique", "id"))


def read_prompts(path: str | Path) -> list[Row]:
    """Read a JSONL or Parquet table with the columns ``image``, ``question`` and, if wanted, ``id``.

    A line of JSONL that cannot be read is a row with a ``problem``.

    Raises:
        UserError: the file cannot be read, lacks a column, has no rows, or none that can be used.
    """
    return _read(Path(path), PROMPTS_FILE)


def read_responses(path: str | Path) -> list[Row]:
    """As :func:`read_prompts`, with the columns ``image``, ``response`` and, if wanted, ``question`` and ``id``."""
    return _read(Path(path), RESPONSES_FILE)


def stream_scored(path: str | Path) -> Iterator[Row]:
    """One row at a time of a JSONL or Parquet table with ``question``, ``response`` and, if wanted, ``image``,
    ``critique`` and ``id``; :class:`UserError` as soon as the file cannot be read further."""
    return _stream(Path(path), SCORED_FILE)


def _stream(path: Path, form: Form) -> Iterator[Row]:
    what = f"The {form.name} file {path}"
    if not path.is_file():
        raise UserError(f"{what} does not exist: give a .jsonl or .parquet file.")
    read = _parquet_rows if path.suffix.lower() == ".parquet" else _jsonl_rows
    return read(path, what, form)


def _read(path: Path, form: Form) -> list[Row]:
    what = f"The {form.name} file {path}"
    rows = list(_stream(path, form))
    if not rows:
        needed = " and ".join(form.needed)
        raise UserError(f"{what} has no rows: write one line with {needed} per {form.name.removesuffix('s')}.")
    if all(row.problem for row in rows):
        raise UserError(f"{what} has no row that can be used; row {rows[0].number}: {rows[0].problem}")
    return rows


def _jsonl_rows(path: Path, what: str, form: Form) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _jsonl_row(number, line, form)
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not UTF-8 text: save it as JSONL in UTF-8, or as Parquet.") from error
    except OSError as error:
        raise UserError(f"{what} cannot be read ({error.strerror}): check its permissions.") from error


def parse_json(text: str) -> Any:
    """The JSON value of a line or a file.

    Raises:
        ValueError: it is none, or a text in it holds half of a character, which no file could keep.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("it holds half of a character, as a text does that was cut off in an emoji") from error
    return value


def _jsonl_row(number: int, line: str, form: Form) -> Row:
    try:
        record = parse_json(line)
    except ValueError as error:
        return Row(number, problem=f"The line is not JSON ({error}): write one JSON object a line.")
    if not isinstance(record, dict):
        example = ", ".join(f'"{name}": ...' for name in form.needed)
        return Row(number, problem=f"The line is no JSON object: write {{{example}}}.")
    return Row(number, **_values(record, form), problem=_missing(record, form))


def _parquet_rows(path: Path, what: str, form: Form) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            if missing := _missing(names, form):
                raise UserError(f"{what} cannot be used: {missing}")
            number = 0
            for batch in table.iter_batches(columns=[n for n in (*form.needed, *form.optional) if n in names]):
                for record in batch.to_pylist():
                    number += 1
                    yield Row(number, **_values(record, form))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{what} is no readable Parquet file: write it again.") from error


def _values(record: Mapping[str, Any], form: Form) -> dict[str, Any]:
    return {name: record.get(name) for name in (*form.needed, *form.optional)}


def _missing(columns: Iterable[str], form: Form) -> str | None:
    has = list(columns)
    missing = [name for name in form.needed if name not in has]
    if not missing:
        return None
    there = ", ".join(map(str, has))[:_NAMED] or "none"
    return f"It lacks the column {' and '.join(missing)} (it has {there}): every row needs {' and '.join(form.needed)}."


def describe_folder(images: str | Path) -> list[Row]:
    """One describing question for every image file below ``images``, for users who bring no prompts."""
    folder = image_folder(images)
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    )
    if not names:
        raise UserError(f"The images folder {images} holds no image file ({', '.join(sorted(_SUFFIXES))}).")
    return [Row(number, name, DESCRIBE) for number, name in enumerate(names, start=1)]


def image_folder(images: str | Path) -> Path:
    folder = Path(images)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UserError(f"The images folder {images} {what}: give the folder that holds your images.")
    return folder.resolve()


def ingest(
    rows: Sequence[Row], images: str | Path, root: str | Path, source: str = "prompts"
) -> tuple[pa.Table, pa.Table]:
    """Check and store every row's image: ``(good, quarantine)`` as tables PROMPTS and QUARANTINE.

    Args:
        rows: from :func:`read_prompts` or :func:`describe_folder`.
        images: the folder image paths are relative to; no path may leave it, symbolic links included.
        root: the content-addressed image store.
        source: name of the table the rows come from, as the quarantine reports it.

    Raises:
        UserError: the folder does not exist, the store cannot be written, or not a single row is usable (the
            first reason is given).
    """
    folder = image_folder(images)
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    stored: dict[Path, str | UserError] = {}
    first: dict[str, int] = {}
    for row in track(rows, "row", len(rows)):
        try:
            sha, question = _checked(row, folder, root, stored)
            prompt_id = _prompt_id(row, sha, question, first)
        except StoreError:
            raise
        except UserError as error:
            item = None if row.image is None else _printable(str(row.image)[:_NAMED])
            bad.append({"source": source, "row": row.number, "item": item, "reason": _printable(str(error))})
            continue
        first[prompt_id] = row.number
        good.append({
            "prompt_id": prompt_id, "image": relative_path(sha, root), "image_sha256": sha,
            "question": question, "kind": "description" if _DESCRIBING.match(question) else "free", "part": USER,
        })  # fmt: skip
    if not good:
        why = f"; row {bad[0]['row']}: {bad[0]['reason']}" if bad else "."
        raise UserError(f"None of the {len(bad)} rows of {source} can be used{why}")
    return pa.Table.from_pylist(good, PROMPTS), pa.Table.from_pylist(bad, QUARANTINE)


def _printable(text: str) -> str:
    """A text with the name of a file, which need not be UTF-8, as one that a table can keep."""
    return text.encode("utf-8", "replace").decode()


def _checked(row: Row, folder: Path, root: str | Path, stored: dict[Path, str | UserError]) -> tuple[str, str]:
    """Hash of the row's stored image, and its question; an image that many rows name is decoded once."""
    if row.problem is not None:
        raise UserError(row.problem)
    path, question = inside(row.image, folder), _question(row.question)
    return store_once(path, root, stored), question


def store_once(path: Path, root: str | Path, stored: dict[Path, str | UserError]) -> str:
    """Hash of the stored image; ``stored`` remembers what came of each path, so that none is decoded twice."""
    if path not in stored:
        try:
            stored[path] = store(path, root)
        except StoreError:
            raise
        except UserError as error:
            stored[path] = error
    found = stored[path]
    if isinstance(found, UserError):
        raise found
    return found


def _prompt_id(row: Row, sha: str, question: str, first: dict[str, int]) -> str:
    if row.id is not None:
        if str(row.id) in first:
            raise UserError(
                f"The id {str(row.id)[:_NAMED]!r} stands in row {first[str(row.id)]} already: make the values of "
                "column id distinct, or leave the column out."
            )
        return str(row.id)
    derived = question_id(sha, question)
    if derived in first:
        raise UserError(f"The same question about the same image was asked in the earlier row {first[derived]}.")
    return derived


def question_id(sha: str, question: str) -> str:
    """The id of a question about an image, where the user gives none."""
    return hashlib.sha256(f"{sha}\0{question}".encode()).hexdigest()[:16]


def inside(image: Any, folder: Path) -> Path:
    if not isinstance(image, str) or not image.strip() or "\0" in image:
        raise UserError("The column image is empty or no text: write the image's path inside the images folder.")
    try:
        path = (folder / image).resolve()
        if path.is_relative_to(folder):
            with suppress(FileNotFoundError, NotADirectoryError):  # opening it tells of these
                path.stat()
            return path
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"The image path {image[:_NAMED]!r} cannot be used ({why}): write the path of a file in the images folder."
        ) from error
    raise UserError(f"The image path {image[:_NAMED]!r} leaves the images folder: write a path inside it.")


def _question(question: Any) -> str:
    if not isinstance(question, str) or not question.strip():
        raise UserError("The column question is empty or no text: write what is asked about the image.")
    asked = question.strip()
    if len(asked) > LONGEST_QUESTION:
        raise UserError(f"The question has {len(asked)} characters, more than {LONGEST_QUESTION}: shorten it.")
    return asked
