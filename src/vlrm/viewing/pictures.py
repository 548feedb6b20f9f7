"""An image with what the experts saw in it drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageDraw, ImageFont
from PIL.Image import Resampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import SeenObject

SIDE = 480
"""Pixels of the longer side: small images are enlarged, so that labels do not cover what they name."""
_COLOURS = ("#e6194b", "#0b62d6", "#00823b", "#b45f06", "#7a1fa2", "#007c89")


def with_boxes(image: Image.Image, objects: Sequence[SeenObject], side: int = SIDE) -> Image.Image:
    """A copy with a box and a number a object; the numbers are those that critiques cite."""
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    drawn = image.convert("RGB").resize(size, Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(16)
    for number, thing in enumerate(objects, 1):
        colour = _COLOURS[(number - 1) % len(_COLOURS)]
        x0, y0, x1, y1 = (value * length for value, length in zip(thing.box, size * 2, strict=True))
        pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=colour, width=3)
        place = (max(0.0, x0), max(0.0, y0 - 20))
        pen.rectangle(pen.textbbox(place, f" {number} ", font=font), fill=colour)
        pen.text(place, f" {number} ", fill="white", font=font)
    return drawn


def legend(objects: Sequence[SeenObject]) -> list[str]:
    """One line an object: its number, what the experts say it is, and how sure its detector was."""
    lines = []
    for number, thing in enumerate(objects, 1):
        words = [f"{name} {value} ({score:.2f})" for name, (value, score) in sorted(thing.attributes.items())]
        lines.append(f"{number} {thing.noun} ({thing.score:.2f})" + (f": {', '.join(words)}" if words else ""))
    return lines
