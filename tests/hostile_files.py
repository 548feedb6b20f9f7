"""Pictures as users bring them, good and hostile, for the tests that need some."""

import struct
import zlib
from pathlib import Path

from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(size=(12, 8), colour=RED, mode="RGB"):
    return Image.new("RGB", size, colour).convert(mode)


def png_claiming(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))
    return path


def hostile(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.png"
    if kind == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:-900])
    elif kind == "bomb":
        png_claiming(path, 30_000, 30_000)
    elif kind == "large":
        png_claiming(path, 9_000, 9_000)
    elif kind == "text":
        path = folder / "text.jpg"
        path.write_text("I am not a picture.")
    elif kind == "empty":
        path.touch()
    elif kind == "header":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    elif kind == "folder":
        path.mkdir()
    elif kind == "postscript":
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    return path
