"""Draws a scene: shaded shapes with patterns and printed tags on a cluttered table under uneven light, with noise."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vlrm.scenes.world import COLOURS, Scene, SceneObject

SIDE = 256
SUPERSAMPLE = 2
Point = tuple[float, float]


def render(scene: Scene, side: int = SIDE) -> Image.Image:
    """An RGB image of ``side`` x ``side`` pixels; the same scene always gives the same pixels."""
    rng = np.random.default_rng(scene.seed)
    size = side * SUPERSAMPLE
    image = Image.new("RGB", (size, size), _table_colour(rng))
    draw = ImageDraw.Draw(image)
    _clutter(draw, size, rng)
    for thing in scene.objects:
        _draw_object(image, thing, size)
    small = image.resize((side, side), Image.Resampling.BOX)
    return Image.fromarray(_light_and_noise(np.asarray(small, np.float32), rng))


def _table_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    base = rng.uniform(130, 205)
    tint = rng.uniform(-12, 12, 3)
    r, g, b = (int(v) for v in base + tint)
    return r, g, b


def _clutter(draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(2, 9)):
        grey = int(rng.uniform(80, 225))
        x, y = rng.uniform(0, size, 2)
        if rng.random() < 0.6:
            angle, length = rng.uniform(0, math.pi), rng.uniform(0.05, 0.3) * size
            end = (x + length * math.cos(angle), y + length * math.sin(angle))
            draw.line([(x, y), end], fill=(grey, grey, grey), width=int(rng.integers(1, 4)) * SUPERSAMPLE)
        else:
            r = rng.uniform(0.006, 0.014) * size
            draw.ellipse([x - r, y - r, x + r, y + r], fill=(grey, grey, grey))


def _draw_object(image: Image.Image, thing: SceneObject, size: int) -> None:
    mask = Image.new("L", (size, size), 0)
    _draw_mask(ImageDraw.Draw(mask), thing.shape, thing.x * size, thing.y * size, thing.radius * size)
    x0, y0 = (max(0, int((v - thing.radius) * size) - 2) for v in (thing.x, thing.y))
    x1, y1 = (min(size, int((v + thing.radius) * size) + 3) for v in (thing.x, thing.y))
    window = (x0, y0, x1, y1)
    paint = _paint(thing, window, size)
    shadow = Image.new("RGB", (x1 - x0, y1 - y0), (70, 66, 62))
    crop = mask.crop(window)
    offset = max(2, int(0.012 * size))
    image.paste(shadow, (x0 + offset, y0 + offset), crop.point(lambda v: v * 0.45))
    image.paste(paint, (x0, y0), crop)
    if thing.text:
        _draw_tag(image, thing, size)


def _paint(thing: SceneObject, window: tuple[int, int, int, int], size: int) -> Image.Image:
    x0, y0, x1, y1 = window
    ys, xs = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    u, v = (xs / size - thing.x) / thing.radius, (ys / size - thing.y) / thing.radius
    shade = np.clip(1.0 - 0.16 * (u + v), 0.72, 1.18)
    if thing.pattern == "striped":
        shade = np.where(np.mod((u + v) * 2.4, 2.0) < 0.8, shade * 0.5, shade)
    elif thing.pattern == "dotted":
        near = np.hypot(np.mod(u * 2.2, 1.0) - 0.5, np.mod(v * 2.2, 1.0) - 0.5)
        shade = np.where(near < 0.27, shade * 0.45, shade)
    colour = np.asarray(COLOURS[thing.colour], np.float32)
    return Image.fromarray(np.clip(shade[..., None] * colour, 0, 255).astype(np.uint8))


def _draw_mask(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float) -> None:
    bounds = [x - r, y - r, x + r, y + r]
    if shape == "ball":
        draw.ellipse(bounds, fill=255)
    elif shape == "ring":
        draw.ellipse(bounds, fill=255)
        draw.ellipse([x - r * 0.48, y - r * 0.48, x + r * 0.48, y + r * 0.48], fill=0)
    elif shape == "moon":
        draw.ellipse(bounds, fill=255)
        draw.ellipse([x - r * 0.15, y - r * 0.92, x + r * 1.5, y + r * 0.72], fill=0)
    elif shape == "box":
        draw.rounded_rectangle([x - r * 0.94, y - r * 0.94, x + r * 0.94, y + r * 0.94], r * 0.08, fill=255)
    elif shape == "cross":
        arm = r * 0.34
        draw.rectangle([x - r, y - arm, x + r, y + arm], fill=255)
        draw.rectangle([x - arm, y - r, x + arm, y + r], fill=255)
    elif shape == "heart":
        draw.polygon(_heart(x, y, r), fill=255)
    elif shape == "cone":
        draw.polygon([(x, y - r), (x - r * 0.95, y + r * 0.85), (x + r * 0.95, y + r * 0.85)], fill=255)
    else:
        draw.polygon(_star(x, y, r), fill=255)


def _star(x: float, y: float, r: float) -> list[Point]:
    radii = [r * 1.05 if i % 2 == 0 else r * 0.46 for i in range(10)]
    angles = [math.pi * (i / 5 - 0.5) for i in range(10)]
    return [(x + d * math.cos(a), y + d * math.sin(a)) for d, a in zip(radii, angles, strict=True)]


def _heart(x: float, y: float, r: float) -> list[Point]:
    points = []
    for i in range(60):
        t = 2 * math.pi * i / 60
        dx = 16 * math.sin(t) ** 3
        dy = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x + r * dx / 16.5, y - r * (dy + 2.5) / 15.5))
    return points


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _draw_tag(image: Image.Image, thing: SceneObject, size: int) -> None:
    """A white tag across the object's lower half, dark print on it: as wide as its characters need."""
    draw = ImageDraw.Draw(image)
    text = thing.text or ""
    height = int(0.062 * size)
    font = _font(int(height * 0.95))
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    half_width, half_height = (x1 - x0) / 2 + height * 0.2, height * 0.62
    cx, cy = thing.x * size, (thing.y + thing.radius * 0.3) * size
    draw.rectangle([cx - half_width, cy - half_height, cx + half_width, cy + half_height], fill=(250, 250, 246))
    draw.text((cx - (x0 + x1) / 2, cy - (y0 + y1) / 2), text, font=font, fill=(24, 24, 24))


def _light_and_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = pixels.shape[0]
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0.0, 0.22)
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    light = rng.uniform(0.86, 1.08) + strength * (xs * math.cos(angle) + ys * math.sin(angle))
    noise = rng.normal(0, rng.uniform(2, 8), pixels.shape).astype(np.float32)
    return np.clip(pixels * light[..., None] + noise, 0, 255).astype(np.uint8)
