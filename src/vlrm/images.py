"""Bring users' images and questions in: decode what is safe, store it by content, set bad rows aside."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from vlrm.errors import UserError
from vlrm.schema import PROMPTS, QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_PIXELS = 64_000_000
"""Larger images are refused before a single pixel is decoded (64 MP is 192 MB as RGB)."""
FORMATS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
"""Formats that are decoded. Others (EPS, PDF ...) start programs or decoders with a worse safety record."""
DESCRIBE = "Describe the image."
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_NAMED = 80
_CHUNK = 1 << 20


def open_image(path: str | Path) -> Image.Image:
    """Decode ``path`` completely and return it as an upright 8-bit RGB image.

    EXIF orientation is applied, transparency is laid on white, CMYK and 16-bit images are converted, and the
    first frame of an animation is taken.

    Raises:
        UserError: the file is missing, empty, no image, truncated, damaged or larger than 64 megapixels.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"Image {path} does not exist: check the path, it is read relative to the images folder.")
    if not path.is_file():
        raise UserError(f"Image {path} is not a file: give the path of a PNG, JPEG or WebP file.")
    try:
        if path.stat().st_size == 0:
            raise UserError(f"Image {path} is empty (0 bytes): copy or download it again.")
        with path.open("rb") as stream:
            return _decode(stream, f"Image {path}")
    except PermissionError as error:
        raise UserError(f"Image {path} may not be read: change its permissions.") from error


def _decode(stream: Any, what: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images; ours are measured below
        try:
            image = Image.open(stream, formats=list(FORMATS))
        except UnidentifiedImageError as error:
            raise UserError(
                f"{what} is not an image ({', '.join(FORMATS)} can be read): convert it, or remove it."
            ) from error
        except Image.DecompressionBombError as error:
            raise UserError(f"{what} is far larger than 64 megapixels: scale it down first.") from error
        except Exception as error:  # decoders raise anything on a damaged header
            raise UserError(f"{what} is damaged ({_reason(error)}): export it again.") from error
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise UserError(f"{what} has {width} x {height} pixels, more than 64 megapixels: scale it down first.")
        # Other libraries switch this on for the whole process; then half an image would pass for a whole one.
        tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            image.seek(0)
            image.load()
            return _as_rgb(_upright(image))
        except Exception as error:
            raise UserError(f"{what} is truncated or damaged ({_reason(error)}): copy or download it again.") from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".").splitlines()[0] if str(error).strip() else type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels, which have been decoded by now
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, (255, 255, 255))
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def store(source: str | Path | Image.Image, root: str | Path) -> str:
    """Put an image into the content-addressed store ``root`` and return the sha256 of the stored bytes.

    A file is checked by :func:`open_image` and stored as it is; an ``Image`` is stored as PNG. Storing the
    same content twice writes nothing. The file is complete or absent, also after a kill.
    """
    if isinstance(source, Image.Image):
        buffer = io.BytesIO()
        source.convert("RGB").save(buffer, "PNG", compress_level=1)
        content, suffix = buffer.getvalue(), ".png"
    else:
        open_image(source)
        content = Path(source).read_bytes()
        with Image.open(io.BytesIO(content)) as opened:
            suffix = FORMATS[opened.format or "PNG"]
    sha = hashlib.sha256(content).hexdigest()
    target = Path(root) / sha[:2] / f"{sha}{suffix}"
    if not target.exists():
        _write(target, content)
    return sha


def _write(target: Path, content: bytes) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        raise UserError(
            f"The image store {target.parent.parent} cannot be written ({error.strerror}): "
            "free space there, or choose a folder you may write to."
        ) from error


def relative_path(sha: str, root: str | Path) -> str:
    """Where the image with hash ``sha`` lies under the store ``root``.

    Raises:
        UserError: the store does not hold it.
    """
    for suffix in FORMATS.values():
        relative = f"{sha[:2]}/{sha}{suffix}"
        if (Path(root) / relative).exists():
            return relative
    raise UserError(f"The image store {root} holds no image {sha}: run the stage that imports images again.")


@dataclass(frozen=True)
class Row:
    """One line of a user's prompts table; ``number`` counts from 1."""

    number: int
    image: Any
    question: Any
    id: Any = None


def read_prompts(path: str | Path) -> list[Row]:
    """Read a JSONL or Parquet table with the columns ``image``, ``question`` and, if wanted, ``id``.

    Raises:
        UserError: the file cannot be read, lacks a column, is empty, or says the same ``id`` twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"The prompts file {path} does not exist: give a .jsonl or .parquet file.")
    rows = list(_parquet_rows(path) if path.suffix.lower() == ".parquet" else _jsonl_rows(path))
    if not rows:
        raise UserError(f"The prompts file {path} has no rows: write one line with image and question per prompt.")
    seen: dict[str, int] = {}
    for row in rows:
        if row.id is not None and (first := seen.setdefault(str(row.id), row.number)) != row.number:
            raise UserError(
                f"The prompts file {path} has the id {row.id!r} twice in column id, in rows {first} and "
                f"{row.number}: make the ids distinct, or leave the column out."
            )
    return rows


def _jsonl_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise UserError(
                        f'Row {number} of {path} is no JSON object: write {{"image": ..., "question": ...}}.'
                    )
                _need_columns(path, record, f", row {number},")
                yield Row(number, record["image"], record["question"], record.get("id"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"Row {number} of {path} is not JSON ({error}): write one JSON object a line.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"The prompts file {path} is not UTF-8 text: save it as JSONL in UTF-8, or as Parquet."
        ) from error
    except OSError as error:
        raise UserError(f"The prompts file {path} cannot be read ({error.strerror}): check its permissions.") from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            _need_columns(path, names, "")
            number = 0
            for batch in table.iter_batches(columns=[name for name in ("image", "question", "id") if name in names]):
                for record in batch.to_pylist():
                    number += 1
                    yield Row(number, record["image"], record["question"], record.get("id"))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"The prompts file {path} is no readable Parquet file: write it again.") from error


def _need_columns(path: Path, columns: Iterable[str], where: str) -> None:
    columns = list(columns)
    missing = [name for name in ("image", "question") if name not in columns]
    if missing:
        raise UserError(
            f"The prompts file {path}{where} lacks the column {' and '.join(missing)} (it has "
            f"{', '.join(map(str, columns)) or 'none'}): every row needs image and question."
        )


def describe_folder(images: str | Path) -> list[Row]:
    """One describing question for every image file below ``images``, for users who bring no prompts."""
    folder = _folder(images)
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    )
    if not names:
        raise UserError(f"The images folder {images} holds no image file ({', '.join(sorted(_SUFFIXES))}).")
    return [Row(number, name, DESCRIBE) for number, name in enumerate(names, start=1)]


def _folder(images: str | Path) -> Path:
    folder = Path(images)
    if not folder.is_dir():
        raise UserError(f"The images folder {images} does not exist: give the folder that holds your images.")
    return folder.resolve()


def ingest(
    rows: Iterable[Row], images: str | Path, root: str | Path, source: str = "prompts"
) -> tuple[pa.Table, pa.Table]:
    """Check and store every row's image: ``(good, quarantine)`` as tables PROMPTS and QUARANTINE.

    Args:
        rows: from :func:`read_prompts` or :func:`describe_folder`.
        images: the folder image paths are relative to; no path may leave it, symbolic links included.
        root: the content-addressed image store.
        source: name of the table the rows come from, as the quarantine reports it.

    Raises:
        UserError: the folder does not exist, or not a single row is usable (the first reason is given).
    """
    folder = _folder(images)
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    stored: dict[Path, str] = {}
    prompt_ids: set[str] = set()
    for row in rows:
        try:
            path, question = _inside(row.image, folder), _question(row.question)
            if path not in stored:
                stored[path] = store(path, root)
            sha = stored[path]
            derived = hashlib.sha256(f"{sha}\0{question}".encode()).hexdigest()[:16]
            prompt_id = derived if row.id is None else str(row.id)
            if prompt_id in prompt_ids:
                raise UserError("The same question about the same image was asked in an earlier row.")
        except UserError as error:
            item = None if row.image is None else str(row.image)[:_NAMED]
            bad.append({"source": source, "row": row.number, "item": item, "reason": str(error)})
            continue
        prompt_ids.add(prompt_id)
        good.append({
            "prompt_id": prompt_id, "image": relative_path(sha, root), "image_sha256": sha,
            "question": question, "kind": "description" if question == DESCRIBE else "free", "part": "user",
        })  # fmt: skip
    if not good:
        first = f" The first: {bad[0]['reason']}" if bad else ""
        raise UserError(f"None of the {len(bad)} rows of {source} can be used.{first}")
    return pa.Table.from_pylist(good, PROMPTS), pa.Table.from_pylist(bad, QUARANTINE)


def _inside(image: Any, folder: Path) -> Path:
    if not isinstance(image, str) or not image.strip() or "\0" in image:
        raise UserError("The column image is empty or no text: write the image's path inside the images folder.")
    try:
        path = (folder / image).resolve()
        if path.is_relative_to(folder):
            return path
    except OSError as error:
        raise UserError(f"The image path {image[:_NAMED]!r} cannot be used ({error.strerror}).") from error
    raise UserError(f"The image path {image[:_NAMED]!r} leaves the images folder: write a path inside it.")


def _question(question: Any) -> str:
    if not isinstance(question, str) or not question.strip():
        raise UserError("The column question is empty or no text: write what is asked about the image.")
    return question.strip()
