"""Any Ultralytics detection, segmentation or open-vocabulary model (YOLO-World, YOLOE) as a detector."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlrm.errors import UserError
from vlrm.experts import detections
from vlrm.experts.base import fingerprint, installed
from vlrm.experts.detections import Detection, as_evidence, clipped
from vlrm.experts.devices import chosen_device
from vlrm.experts.ultralytics_offline import load_ultralytics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Evidence

FOLDER = Path("data/06_models")
"""Where a model is looked for that is given by name alone."""
PICKLES, SAFE = (".pt", ".pth"), (".onnx",)
TASKS = ("detect", "segment")


class Settings(BaseModel):
    """``model``: a file, or the name of one in data/06_models; nothing is downloaded."""

    model_config = ConfigDict(extra="forbid")
    model: str
    trust_pickle: bool = False
    """A .pt file is a pickle: loading it runs whatever code its maker put into it. Say true for a maker you trust."""
    sha256: str | None = None
    """Or say which file you trust by its hash."""
    classes: list[str] | None = None
    """What an open-vocabulary model is to look for; others know their labels themselves."""
    confidence: float = Field(default=0.25, gt=0, lt=1)
    overlap: float = Field(default=0.6, gt=0, lt=1)
    most: int = Field(default=100, ge=1)
    side: int = Field(default=640, ge=32)
    """Pixels of the longer side that the network sees."""
    device: str = "auto"
    batch: int = Field(default=16, ge=1)


class UltralyticsModel:
    """Reports objects: ``kind`` object, ``label`` as the model names it; a segmentation model's boxes hug its masks."""

    name = "ultralytics"
    settings_type = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.file = _trusted(settings)
        values = settings.model_dump(mode="json", exclude={"model", "trust_pickle", "sha256", "device", "batch"})
        self.identity = {**values, "weights": _sha256(self.file)}
        versions = [installed("torch"), installed("ultralytics-opencv-headless", "ultralytics")]
        self.fingerprint = fingerprint(__file__, {**values, "libraries": versions}, [detections.__file__, self.file])
        self._loaded: Any = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._model().names.values())

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """Objects of each image; the network sees ``batch`` images at once. ``found`` is not used."""
        device = chosen_device(self.settings.device)
        reported: list[list[Evidence]] = []
        for start in range(0, len(images), self.settings.batch):
            part = [
                np.ascontiguousarray(np.asarray(image)[..., ::-1]) for image in images[start:][: self.settings.batch]
            ]
            results = self._model().predict(
                part, conf=self.settings.confidence, iou=self.settings.overlap, max_det=self.settings.most,
                imgsz=self.settings.side, device=device, verbose=False, save=False,
                rect=False,  # else the padding, and so the result, would hang on an image's company
            )  # fmt: skip
            reported += [as_evidence(_read(result), self, self.settings.most) for result in results]
        return reported

    def _model(self) -> Any:
        if self._loaded is None:
            ultralytics = load_ultralytics()
            try:
                model = ultralytics.YOLO(str(self.file))
            except Exception as error:  # whatever unpickling a damaged or foreign file raises
                raise UserError(f"{self.file} is no Ultralytics model ({_line(error)}): export it again.") from error
            if model.task not in TASKS:
                raise UserError(f"{self.file} is a model for {model.task}: an expert needs {' or '.join(TASKS)}.")
            if self.settings.classes is not None:
                _set_classes(model, self.settings.classes, self.file)
            self._loaded = model
        return self._loaded


def _read(result: Any) -> list[Detection]:
    boxes = result.boxes
    read = []
    for corners, score, label in zip(boxes.xyxyn.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True):
        box = clipped(corners)
        if box is not None:
            read.append(Detection(str(result.names[int(label)]), box, min(float(score), 1.0)))
    return read


def _trusted(settings: Settings) -> Path:
    """The model's file, once there is a reason to load it."""
    file = Path(settings.model).expanduser()
    if not file.is_file() and file.name == settings.model:
        file = FOLDER / file
    if not file.is_file():
        raise UserError(
            f"The model {settings.model} is no file here nor in {FOLDER}: download it first, and give its path."
        )
    if settings.sha256 is not None and _sha256(file) != settings.sha256.lower():
        raise UserError(f"{file} is not the file you trust: its sha256 is {_sha256(file)}, not {settings.sha256}.")
    suffix = file.suffix.lower()
    if suffix not in (*PICKLES, *SAFE):
        raise UserError(f"{file} is of no form that is read: give {' or '.join((*SAFE, *PICKLES))}.")
    if suffix in PICKLES and not settings.trust_pickle and settings.sha256 is None:
        raise UserError(
            f"{file} is a pickle, which can run any code when it is loaded: export it to ONNX, or, if you trust its "
            "maker, say trust_pickle: true or the sha256 you expect in the settings of the expert ultralytics."
        )
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _set_classes(model: Any, classes: list[str], file: Path) -> None:
    if not hasattr(model, "set_classes"):
        raise UserError(f"{file} knows its labels itself: leave classes out, or take a YOLO-World or YOLOE model.")
    try:
        model.set_classes(classes)
    except Exception as error:  # its text encoder is another package, and weights of its own
        raise UserError(
            f"The classes of {file} cannot be set ({_line(error)}): set them once where its text encoder is installed, "
            "save the model, and leave classes out."
        ) from error


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
