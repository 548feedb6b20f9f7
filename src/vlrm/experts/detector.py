"""The embedded detector: a nano Ultralytics network with weights as safetensors, objects out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from vlrm.errors import UserError
from vlrm.experts.base import fingerprint, installed
from vlrm.experts.ultralytics_offline import load_ultralytics
from vlrm.schema import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.schema import Box

DEFAULT_WEIGHTS = Path("data/06_models/embedded/detector")
WEIGHTS, CONFIG = "model.safetensors", "config.json"
GREY = 114
"""Padding of images that are not square, as in Ultralytics' own letterbox."""


class Settings(BaseModel):
    """What a user may set; ``confidence`` is the least score an object is reported with."""

    model_config = ConfigDict(extra="forbid")
    weights: Path = DEFAULT_WEIGHTS
    confidence: float = Field(default=0.25, gt=0, lt=1)
    overlap: float = Field(default=0.45, gt=0, lt=1)
    """Of two boxes that overlap by more than this (IoU), whatever their labels, the surer one stays."""
    most: int = Field(default=50, ge=1)


class Detector:
    """Reports objects: ``kind`` object, ``label`` the noun, ids ``d1``, ``d2`` ... from the surest down."""

    name = "detector"
    settings_type = Settings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        folder = self.settings.weights
        if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
            raise UserError(
                f"The detector's weights {folder / WEIGHTS} or {CONFIG} beside them are missing: "
                "restore them, or make them with `kedro run --pipeline embedded_training`."
            )
        self.config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
        self.names: list[str] = self.config["names"]
        self.side: int = self.config["imgsz"]
        shape = Path(__file__).with_name(self.config["yaml"])
        values = self.settings.model_dump(mode="json", exclude={"weights"})
        versions = [installed("torch"), installed("ultralytics-opencv-headless", "ultralytics")]
        self.fingerprint = fingerprint(
            __file__, {**values, "libraries": versions, **self._identity()}, [folder / WEIGHTS, shape]
        )
        self._model: torch.nn.Module | None = None

    def _identity(self) -> dict[str, Any]:
        return {"names": self.names, "imgsz": self.side}

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Objects of each image; the network runs once for the whole batch. ``found`` is not used."""
        if not images:
            return []
        prepared = [letterbox(image, self.side) for image in images]
        pixels_BHWC = np.stack([pixels for pixels, _ in prepared])
        batch_BCHW = torch.from_numpy(pixels_BHWC).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            boxes = self._suppress(self._network()(batch_BCHW))
        return [self._evidence(rows.tolist(), place) for rows, (_, place) in zip(boxes, prepared, strict=True)]

    def _network(self) -> torch.nn.Module:
        if self._model is None:
            from safetensors.torch import load_file

            model = build_model(self.config["yaml"], len(self.names))
            weights = load_file(self.settings.weights / WEIGHTS)
            model.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
            self._model = model.fuse(verbose=False).eval()
        return self._model

    def _suppress(self, output: Any) -> list[torch.Tensor]:
        from ultralytics.utils.nms import non_max_suppression

        # A time limit would make the result depend on how busy the machine is, so it is out of reach.
        return non_max_suppression(
            output,
            conf_thres=self.settings.confidence,
            iou_thres=self.settings.overlap,
            agnostic=True,
            max_det=self.settings.most,
            max_time_img=60.0,
        )

    def _evidence(self, rows: list[list[float]], place: Box) -> list[Evidence]:
        left, top, width, height = place
        found: list[Evidence] = []
        for x0, y0, x1, y1, score, label in rows:
            corners = ((x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height)
            ax, ay, bx, by = (round(min(max(value, 0.0), 1.0), 4) for value in corners)
            if bx <= ax or by <= ay:
                continue
            found.append(
                Evidence(
                    evidence_id=f"d{len(found) + 1}",
                    kind="object",
                    label=self.names[int(label)],
                    box=(ax, ay, bx, by),
                    score=round(score, 4),
                    expert=self.name,
                    fingerprint=self.fingerprint,
                )
            )
        return found


def build_model(shape: str, classes: int) -> Any:
    """An untrained ``DetectionModel`` of the network described in the file ``shape`` beside this one."""
    load_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    described = yaml.safe_load(Path(__file__).with_name(shape).read_text())
    return DetectionModel({**described, "scale": "n"}, nc=classes, verbose=False)


def letterbox(image: Image.Image, side: int) -> tuple[np.ndarray, Box]:
    """Scale ``image`` into a grey square of ``side`` pixels.

    Returns:
        pixels (side, side, 3) uint8, and where the image lies in them: left, top, width, height in pixels.
    """
    scale = side / max(image.size)
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = (side - width) // 2, (side - height) // 2
    square = Image.new("RGB", (side, side), (GREY, GREY, GREY))
    square.paste(resized, (left, top))
    return np.asarray(square), (left, top, width, height)


def save_weights(model: torch.nn.Module, folder: Path, config: dict[str, Any]) -> None:
    """Write ``model`` as safetensors and ``config`` as JSON into ``folder``.

    Kernels are stored as float16; what is one number a channel (biases, running statistics) keeps float32.
    """
    from safetensors.torch import save

    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    stored = {name: v.half().contiguous() if v.ndim > 1 else v.contiguous() for name, v in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    content = save(stored)
    (folder / WEIGHTS).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    text = json.dumps({**config, "weights_sha256": digest}, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n")
