"""Reads the text on objects with RapidOCR (offline, its models come with it): on light tags, or anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from vlrm.experts.base import attribute, crop, fingerprint, installed, objects, overlap
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Box

SIDE = 256
"""Tags are looked for at this many pixels of the longer side; they are read at full size."""
PAPER, GREY, INK = 150, 48, 90
"""Of 255: least brightness and greatest chroma of paper; a character has a spot darker than the third."""
CHARACTER, WORD, GAP = (8, 16), 48, 7
"""Height of a character, greatest width of a word, widest gap within it, in pixels at SIDE."""
LEAST_PAPER = 60
RECOGNISER = (3, 48, 96)
"""Input of the recogniser for tags: a third of its usual width, as tags are short, and three times faster."""


class Settings(BaseModel):
    """``find``: tags (a few dark characters on light paper: cheap) or anywhere (RapidOCR's detector)."""

    model_config = ConfigDict(extra="forbid")
    find: Literal["tags", "anywhere"] = "tags"
    least_score: float = Field(default=0.6, ge=0, le=1)
    threads: int = Field(default=1, ge=1)
    capitals: bool = True
    """Report capital letters only, as printed tags are; False keeps what was read."""


class Ocr:
    """Reports ``kind`` text; ``target`` is the object that carries it, or None when none does.

    Images without a candidate area never reach a network.
    """

    name = "ocr"
    settings_type = Settings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        versions = [installed("rapidocr"), installed("onnxruntime", "onnxruntime-gpu")]
        values = self.settings.model_dump(exclude={"threads"})
        self.fingerprint = fingerprint(__file__, {**values, "libraries": versions}, _model_files())
        self._engine: Any = None

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        read = self._tags if self.settings.find == "tags" else self._anywhere
        boxes = [[thing.box for thing in objects(rows)] for rows in found]
        return [
            self._one(read(np.asarray(image), where), rows)
            for image, where, rows in zip(images, boxes, found, strict=True)
        ]

    def _one(self, texts: list[tuple[str, float, Box]], rows: list[Evidence]) -> list[Evidence]:
        reported: list[Evidence] = []
        carried: set[str] = set()
        loose = 0
        for text, score, box in sorted(texts, key=lambda entry: -entry[1]):
            clean = "".join(text.split())
            clean = clean.upper() if self.settings.capitals else clean
            if not any(map(str.isalnum, clean)) or score < self.settings.least_score:
                continue
            carrier = _carrier(box, [thing for thing in objects(rows) if thing.evidence_id not in carried])
            if carrier is not None:
                carried.add(carrier.evidence_id)
                reported.append(attribute("text", clean, score, carrier, self))
                continue
            loose += 1
            reported.append(
                Evidence(f"text{loose}", "text", clean, box, round(float(score), 4), self.name, self.fingerprint)
            )
        return reported

    def _tags(self, pixels: np.ndarray, where: list[Box]) -> list[tuple[str, float, Box]]:
        height, width = pixels.shape[:2]
        texts = []
        for box in find_tags(pixels, where):
            x0, x1 = (round(v * width) for v in (box[0], box[2]))
            y0, y1 = (round(v * height) for v in (box[1], box[3]))
            bgr = np.ascontiguousarray(pixels[y0:y1, x0:x1, ::-1])
            answer = self._recognise(bgr)
            texts.append((answer[0], answer[1], box))
        return texts

    def _recognise(self, bgr: np.ndarray) -> tuple[str, float]:
        from rapidocr.ch_ppocr_rec import TextRecInput

        answer = self._rapidocr().text_rec(TextRecInput(img=[bgr], return_word_box=False))
        return str(answer.txts[0]), float(answer.scores[0])

    def _anywhere(self, pixels: np.ndarray, where: list[Box]) -> list[tuple[str, float, Box]]:
        height, width = pixels.shape[:2]
        answer = self._rapidocr()(np.ascontiguousarray(pixels[..., ::-1]))
        if answer.boxes is None or answer.txts is None:
            return []
        texts = []
        for corners, text, score in zip(answer.boxes, answer.txts, answer.scores, strict=True):
            xs, ys = np.asarray(corners)[:, 0] / width, np.asarray(corners)[:, 1] / height
            x0, y0, x1, y1 = (round(float(np.clip(v, 0, 1)), 4) for v in (xs.min(), ys.min(), xs.max(), ys.max()))
            texts.append((text, float(score), (x0, y0, x1, y1)))
        return texts

    def _rapidocr(self) -> Any:
        if self._engine is None:
            from rapidocr import RapidOCR

            settings: dict[str, Any] = {
                "Global.log_level": "error",
                "Global.use_cls": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": self.settings.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
            if self.settings.find == "tags":
                settings["Rec.rec_img_shape"] = list(RECOGNISER)
            self._engine = RapidOCR(params=settings)
            self._engine._load_rec_model()
        return self._engine


def _model_files() -> list[Path]:
    import rapidocr

    return sorted((Path(rapidocr.__file__).parent / "models").glob("*.onnx"))


def _carrier(box: Box, things: list[Evidence]) -> Evidence | None:
    """The object that the middle of ``box`` lies on; of several, the one whose own middle is nearest."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    best, nearest = None, 0.85
    for thing in things:
        x0, y0, x1, y1 = thing.box
        away = float(np.hypot((2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)))
        if away < nearest:
            best, nearest = thing, away
    return best


def find_tags(pixels: np.ndarray, where: Sequence[Box]) -> list[Box]:
    """Boxes (fractions) round short dark print on light paper inside the boxes ``where``; each print once.

    ``pixels`` is (height, width, 3) uint8. Print is what is left of a light grey area in pieces as high as
    characters and much darker than it: scratches and spots are lower or longer, stripes and dots keep their
    colour, and all other things are larger.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    boxes: list[Box] = []
    for box in where:
        for x0, y0, x1, y1 in _lines_in(crop(pixels, box)):
            wide, high = box[2] - box[0], box[3] - box[1]
            left, right = (round(float(np.clip(box[0] + v * wide, 0, 1)), 4) for v in (x0, x1))
            top, bottom = (round(float(np.clip(box[1] + v * high, 0, 1)), 4) for v in (y0, y1))
            if all(overlap((left, top, right, bottom), known) < 0.3 for known in boxes):
                boxes.append((left, top, right, bottom))
    return boxes


def _lines_in(pixels: np.ndarray) -> list[Box]:
    """Lines of print in one object's pixels, as fractions of them, with a margin for the recogniser."""
    high = pixels.max(-1)
    paper = (high >= PAPER) & (high - pixels.min(-1) <= GREY)
    if paper.sum() < LEAST_PAPER:
        return []
    pieces, _ = ndimage.label(~paper, np.ones((3, 3), bool))  # a slanting stroke hangs together by corners
    rows, columns = high.shape
    characters = []
    for ys, xs in ndimage.find_objects(pieces):
        tall, wide = ys.stop - ys.start, xs.stop - xs.start
        inside = ys.start > 0 and xs.start > 0 and ys.stop < rows and xs.stop < columns
        if inside and CHARACTER[0] <= tall <= CHARACTER[1] and wide <= WORD and high[ys, xs].min() < INK:
            characters.append((xs.start, ys.start, xs.stop, ys.stop))
    lines: list[list[int]] = []
    for x0, y0, x1, y1 in sorted(characters):
        last = lines[-1] if lines else None
        if last and x0 - last[2] <= GAP and min(y1, last[3]) - max(y0, last[1]) >= 0.6 * (y1 - y0):
            last[:] = [last[0], min(last[1], y0), max(last[2], x1), max(last[3], y1)]
        else:
            lines.append([x0, y0, x1, y1])
    return [_whole_tag(pixels, line) for line in lines]


def _whole_tag(pixels: np.ndarray, line: list[int]) -> Box:
    """``line`` widened to where its paper ends: noise may have tied a character to what lies beyond."""
    rows, columns = pixels.shape[:2]
    x0, y0, x1, y1 = line
    edges = []
    for first in (max(0, y0 - 3), min(y1 + 1, rows - 2)):
        edges.append(pixels[first : first + 2].astype(np.float32).mean(0))
    blank = np.ones(columns, bool)
    for edge in edges:
        blank &= (edge.max(-1) >= PAPER) & (edge.max(-1) - edge.min(-1) <= GREY)
    while x0 > 0 and blank[x0 - 1] and x1 - x0 < WORD:
        x0 -= 1
    while x1 < columns and blank[x1] and x1 - x0 < WORD:
        x1 += 1
    return (x0 / columns, (y0 - 3) / rows, x1 / columns, (y1 + 3) / rows)
