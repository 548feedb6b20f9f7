"""Which pixels of a box are the object's own paint, and of which hue: the ground of colour and pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from vlrm.experts.base import crop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Box, Evidence

HUES = {
    "red": 0.0, "orange": 30.0, "yellow": 53.0, "green": 125.0, "cyan": 184.0, "blue": 228.0,
    "purple": 280.0, "pink": 327.0,
}  # fmt: skip
"""Degrees on the colour circle. Nearest wins, so a hue's reach ends half-way to its neighbours."""
NAMES = tuple(HUES)
_ANGLES = np.array(list(HUES.values()), np.float32)
SIDE = 96
"""Larger crops are scaled down to this many pixels: enough for a pattern, and it bounds the time."""
COLOURED = 0.26
"""Least (max - min) / max of a painted pixel; grey tables tinted by light stay below."""
BRIGHT = 30
"""Least max(R, G, B) of a pixel whose hue can be told from noise."""


@dataclass(frozen=True)
class Paint:
    """A box's pixels: index into :data:`NAMES`, weight (0 where there is no paint) and brightness (H, W)."""

    hue: np.ndarray
    weight: np.ndarray
    value: np.ndarray

    def votes(self) -> np.ndarray:
        """Weight per hue, summed over the box."""
        return np.bincount(self.hue.ravel(), self.weight.ravel(), len(NAMES))


def paint_in(pixels: np.ndarray, thing: Evidence, others: Sequence[Evidence]) -> Paint:
    """Measure ``pixels`` (height, width, 3; uint8) inside the box of ``thing``.

    Pixels count less towards the box's corners, where neighbours and background are, and little where another
    object's box lies over this one.
    """
    inside = crop(pixels, thing.box)
    if max(inside.shape[:2]) > SIDE:
        scale = SIDE / max(inside.shape[:2])
        size = (max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale)))
        inside = np.asarray(Image.fromarray(inside).resize(size, Image.Resampling.BOX))
    # Sensor noise is independent from pixel to pixel; a 3 x 3 mean costs little detail and steadies the hue.
    smooth = ndimage.uniform_filter(inside.astype(np.float32), (3, 3, 1), mode="nearest")
    value, low = smooth.max(-1), smooth.min(-1)
    chroma = value - low
    painted = (chroma > COLOURED * value) & (value > BRIGHT)
    # Where a channel is saturated the hue is bent; those pixels speak only when there are no others.
    clipped = value >= 253
    if (painted & ~clipped).sum() >= 0.2 * painted.sum():
        painted &= ~clipped
    weight = painted * _place_weight(inside.shape[:2], thing.box, [other.box for other in others])
    return Paint(_nearest_hue(smooth, value, np.maximum(chroma, 1e-3)), weight.astype(np.float32), value)


def _nearest_hue(rgb: np.ndarray, value: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    sector = np.where(value == r, (g - b) / chroma, np.where(value == g, (b - r) / chroma + 2, (r - g) / chroma + 4))
    degrees = (sector * 60.0) % 360.0
    away = np.abs(degrees[..., None] - _ANGLES)
    return np.minimum(away, 360.0 - away).argmin(-1)


def _place_weight(shape: tuple[int, ...], box: Box, others: list[Box]) -> np.ndarray:
    height, width = shape
    ys = (np.arange(height, dtype=np.float32) + 0.5) / height
    xs = (np.arange(width, dtype=np.float32) + 0.5) / width
    u, v = np.meshgrid(2 * xs - 1, 2 * ys - 1)
    weight = np.where(u * u + v * v < 0.9, 1.0, 0.3)
    for x0, y0, x1, y1 in others:
        left, right = ((edge - box[0]) / (box[2] - box[0]) for edge in (x0, x1))
        top, bottom = ((edge - box[1]) / (box[3] - box[1]) for edge in (y0, y1))
        covered = ((xs > left) & (xs < right))[None, :] & ((ys > top) & (ys < bottom))[:, None]
        weight[covered] *= 0.2
    return weight
