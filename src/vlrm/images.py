"""Images as files: decode what is safe, refuse what is not, store by content."""

from __future__ import annotations

import hashlib
import io
import math
import os
import warnings
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from vlrm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = TypeVar("Row")
Found = TypeVar("Found")

MAX_PIXELS = 64_000_000
"""Larger images are refused before a single pixel is decoded (64 MP is 192 MB as RGB)."""
TOGETHER = 96_000_000
"""Pixels of the distinct images that are decoded at a time where rows come with images: about 300 MB."""
MAX_BYTES = 512 * 2**20
STRIP = 200
"""Times that one side may be the other's in an image that is brought in: vision processors (Qwen-VL's) refuse more."""
FORMATS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
"""Formats that are decoded. Others (EPS, PDF ...) start programs or decoders with a worse safety record."""
SEVERAL = "MPO"
"""What Pillow calls a JPEG that holds more pictures than one, as phones write them; the first is taken."""
BLANK = "blank:"
"""Prefix of an image reference that means: the uniform mean colour of the image that follows."""

PARTIAL = "partial:"
"""Prefix of a reference, ``partial:SEED:IMAGE``: the image as one who looks badly has it (:mod:`vlrm.seeing`).

A model that takes pixels is shown it whole."""


class StoreError(UserError):
    """The store cannot be written: no fault of the image at hand, so the run stops."""


class RefusedImage(UserError):
    """A model cannot read this one image: a fault of the image, so work on others goes on."""


def open_image(path: str | Path) -> Image.Image:
    """Decode ``path`` completely and return it as an upright 8-bit RGB image.

    EXIF orientation is applied, transparency is laid on white, CMYK and 16-bit images are converted, and the
    first frame of an animation is taken.

    Raises:
        UserError: the file is missing, empty, no image, truncated, damaged or larger than 64 megapixels or 512 MiB.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UserError(f"Image {path} does not exist: check the path, it is read relative to the images folder.")
        if not path.is_file():
            raise UserError(f"Image {path} is not a file: give the path of a PNG, JPEG or WebP file.")
        if path.stat().st_size == 0:
            raise UserError(f"Image {path} is empty (0 bytes): copy or download it again.")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"Image {path} is a file of more than 512 MiB: save it as JPEG or WebP first.")
        with path.open("rb") as stream:
            return _decode(stream, f"Image {path}")
    except PermissionError as error:
        raise UserError(f"Image {path} may not be read: change its permissions.") from error


def decode_image(content: bytes, what: str) -> Image.Image:
    """As :func:`open_image`, of the bytes of an image file; ``what`` is how errors call it ("Image cat.jpg").

    Raises:
        UserError: as :func:`open_image`.
    """
    if not content:
        raise UserError(f"{what} is empty (0 bytes): copy or download it again.")
    if len(content) > MAX_BYTES:
        raise UserError(f"{what} is a file of more than 512 MiB: save it as JPEG or WebP first.")
    return _decode(io.BytesIO(content), what)


def _decode(stream: Any, what: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images; ours are measured below
        try:
            image = Image.open(stream, formats=list(FORMATS))
        except (UnidentifiedImageError, ModuleNotFoundError) as error:  # ultralytics looks for a reader of HEIF then
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
            return upright_rgb(image)
        except Exception as error:
            raise UserError(f"{what} is truncated or damaged ({_reason(error)}): copy or download it again.") from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def pixels(source: Path | io.BytesIO) -> int:
    """How many an image has by its file's header, before anything is decoded; 0 where that says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=list(FORMATS)) as image:
                return image.width * image.height
    except Exception:  # decoders raise anything on a damaged header; opening it will say what is wrong
        return 0


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".").splitlines()[0] if str(error).strip() else type(error).__name__


def spare_refused(
    rows: Sequence[Row], ask: Callable[[Sequence[Row]], Sequence[Found]], told: Callable[[str], Found]
) -> list[Found]:
    """``ask(rows)``, in halves where a model refuses an image: only its rows go without, and have ``told(why)``."""
    try:
        return list(ask(rows)) if rows else []
    except RefusedImage as error:
        if len(rows) == 1:
            return [told(str(error))]
        half = len(rows) // 2
        return [*spare_refused(rows[:half], ask, told), *spare_refused(rows[half:], ask, told)]


def other_image(images: Sequence[str], own: str, number: int) -> str | None:
    """One of ``images``, sorted, that is not ``own``: the ``number``-th, counted round and round; None without any."""
    place = bisect_left(images, own)
    left_out = [place] if place < len(images) and images[place] == own else []
    if len(images) == len(left_out):
        return None
    return images[other_place(number % (len(images) - len(left_out)), left_out)]


def other_place(number: int, left_out: Sequence[int]) -> int:
    """The ``number``-th of 0, 1, 2 ... that is not among ``left_out`` (ascending), found without listing the others."""
    # The i-th that is left out has left_out[i] - i others before it.
    return number + bisect_right(range(len(left_out)), number, key=lambda i: left_out[i] - i)


def upright_rgb(image: Image.Image) -> Image.Image:
    """A decoded image of any mode as an upright 8-bit RGB one."""
    return _as_rgb(_upright(image))


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

    Raises:
        UserError: the file is none that :func:`open_image` reads, or a strip that no vision model would.
        StoreError: the store cannot be written.
    """
    if isinstance(source, Image.Image):
        buffer = io.BytesIO()
        source.convert("RGB").save(buffer, "PNG", compress_level=1)
        content, suffix = buffer.getvalue(), ".png"
    else:
        width, height = open_image(source).size
        if max(width, height) > STRIP * min(width, height):
            raise UserError(
                f"Image {source} has {width} x {height} pixels, one side more than {STRIP} times the other, which "
                "vision models refuse: crop it, or leave it out."
            )
        content = Path(source).read_bytes()
        with Image.open(io.BytesIO(content)) as opened:
            suffix = FORMATS["JPEG" if opened.format == SEVERAL else opened.format or "PNG"]
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
        raise StoreError(
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
    raise UserError(
        f"The image store {root} holds no image {sha}: move that folder away and run the same command again, which "
        "stores all images anew."
    )


def partial(reference: str, seed: int) -> str:
    """The reference to the same image, seen badly: what is missed and mistaken is decided by ``seed``."""
    return f"{PARTIAL}{seed}:{whole(reference)[1]}"


def whole(reference: str) -> tuple[str | None, str]:
    """The seed of a partial reference, None where it is not one, and the reference to the same image seen whole."""
    if reference.startswith(BLANK):
        seed, rest = whole(reference[len(BLANK) :])
        return seed, BLANK + rest
    if reference.startswith(PARTIAL):
        seed, _, rest = reference[len(PARTIAL) :].partition(":")
        return seed, whole(rest)[1]
    return None, reference


def open_stored(reference: str, images: Path) -> Image.Image:
    """The image of the store ``images`` behind a reference; a blank one has the same size and mean colour."""
    reference = whole(reference)[1]
    if reference.startswith(BLANK):
        return blank(open_stored(reference[len(BLANK) :], images))
    return open_image(images / relative_path(reference, images))


def blank(image: Image.Image) -> Image.Image:
    """An image of the same size in one colour, the mean."""
    return Image.new("RGB", image.size, image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))


def within(image: Image.Image, max_pixels: int) -> Image.Image:
    """The image in its proportions with at most ``max_pixels`` pixels."""
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    width, height = max(1, int(width * scale)), max(1, int(height * scale))
    width = min(width, max_pixels)  # a very long, thin one
    height = min(height, max_pixels // width)
    return image.resize((width, height), Image.Resampling.LANCZOS)
