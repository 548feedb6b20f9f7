"""Rows of a benchmark's files, one at a time, with errors that name the file, the row and the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.user_files import inside, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ROWS = 64
"""Parquet rows in memory together: benchmarks keep whole images in theirs."""
_NAMED = 80


@dataclass(frozen=True, slots=True)
class Record:
    """One row. ``what``: how errors call its file; ``number`` counts from 1; ``images``: the folder no path leaves."""

    what: str
    file: str
    number: int
    values: Mapping[str, Any]
    images: Path | None = None

    def error(self, field: str, problem: str) -> UserError:
        return UserError(f"{self.what}, row {self.number}, field {field}: {problem}")

    def has(self, field: str) -> bool:
        return self.values.get(field) is not None

    def text(self, *fields: str, empty: bool = False) -> str:
        """The first of ``fields`` that the row has, which must be a text, and not a blank one unless ``empty``."""
        field = next((name for name in fields if self.has(name)), fields[0])
        value = self.values.get(field)
        if not isinstance(value, str):
            raise self.error(field, f"there is {_said(value)} where a text is needed.")
        if not empty and not value.strip():
            raise self.error(field, "the text is empty.")
        return value

    def name(self, *fields: str) -> str:
        """As :meth:`text`, of a field in which whole numbers stand for names too."""
        field = next((name for name in fields if self.has(name)), fields[0])
        value = self.values.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.error(field, f"there is {_said(value)} where a name or a whole number is needed.")
        return str(value)

    def id(self, *fields: str) -> str:
        """As :meth:`name`; the row's number where none of the fields is there."""
        return self.name(*fields) if any(map(self.has, fields)) else str(self.number)

    def one_of(self, field: str, allowed: Mapping[Any, Any]) -> Any:
        """What ``allowed`` says of the field's value; texts are compared in lower case."""
        value = self.values.get(field)
        known = value.strip().lower() if isinstance(value, str) else value
        if isinstance(known, str | int) and not isinstance(known, bool) and known in allowed:
            return allowed[known]
        raise self.error(field, f"there is {_said(value)} where {' or '.join(map(repr, allowed))} is needed.")

    def two_texts(self, field: str) -> tuple[str, str]:
        value = self.values.get(field)
        if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(one, str) for one in value):
            return value[0], value[1]
        raise self.error(field, f"there is {_said(value)} where a list of two texts is needed.")

    def texts(self, field: str) -> tuple[str, ...]:
        value = self.values.get(field)
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise self.error(field, f"there is {_said(value)} where a list of texts is needed.")

    def image(self, *fields: str, optional: bool = False) -> str | bytes | None:
        """A path inside the folder of images, or encoded bytes; a list of one image counts as that image."""
        field = next((name for name in fields if self.has(name)), fields[0])
        value = self.values.get(field)
        if isinstance(value, list | tuple):
            if len(value) > 1:
                raise self.error(field, f"there are {len(value)} images: a question here is about one.")
            value = value[0] if value else None
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if value is None and optional:
            return None
        if isinstance(value, bytes) and value:
            return value
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, f"there is {_said(value)} where an image's path or bytes are needed.")
        return self._path(field, value)

    def _path(self, field: str, value: str) -> str:
        path = value.removeprefix("file://").removeprefix("./")
        if self.images is not None:
            try:
                inside(path, self.images)
            except UserError as error:
                raise self.error(field, str(error)) from error
        return path


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    told = repr(value) if len(repr(value)) <= _NAMED else repr(value)[:_NAMED] + "..."
    return f"{told} ({type(value).__name__})"


def read_records(path: Path, name: str, images: Path | None = None) -> Iterator[Record]:
    """Rows of a ``.json`` (an array, or one object a line), ``.jsonl`` or ``.parquet`` file of the suite ``name``.

    JSONL and Parquet are streamed; an array is read whole.

    Raises:
        UserError: the file does not exist or cannot be read, or a row is no object.
    """
    what = f"The {name} file {path}"
    if not path.is_file():
        raise UserError(f"{what} does not exist: give the file, or the folder that holds it.")
    suffix = path.suffix.lower()
    if suffix not in (".json", ".jsonl", ".parquet"):
        raise UserError(f"{what} is none of .json, .jsonl and .parquet: give a file of one of these kinds.")
    if suffix == ".parquet":
        rows = _parquet(path, what)
    elif suffix == ".json" and _is_array(path, what):
        rows = _array(path, what)
    else:
        rows = _lines(path, what)
    for number, values in rows:
        yield Record(what, path.name, number, values, images)


def _is_array(path: Path, what: str) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    except OSError as error:
        raise UserError(f"{what} cannot be read ({error.strerror}): check its permissions.") from error


def _array(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows: Sequence[Any] = read_json(path, what)
    for number, row in enumerate(rows, start=1):
        yield number, _object(row, what, number)


def read_json(path: Path, what: str) -> Any:
    """The whole of a JSON file; UserError where it is none."""
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{what} cannot be read ({error.strerror}): check its permissions.") from error
    except ValueError as error:
        raise UserError(f"{what} is not JSON in UTF-8 ({error}): download it again.") from error


def _lines(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(_parsed(line, what, number), what, number)
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not UTF-8 text: download it again, or save it in UTF-8.") from error
    except OSError as error:
        raise UserError(f"{what} cannot be read ({error.strerror}): check its permissions.") from error


def _parsed(line: str, what: str, number: int) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        raise UserError(f"{what}, row {number}: the line is not JSON ({error}): write one object a line.") from error


def _object(row: Any, what: str, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{what}, row {number}: there is {_said(row)} where an object with named fields is needed.")
    return row


def _parquet(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{what} is no readable Parquet file ({error}): download it again.") from error
