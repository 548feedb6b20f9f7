"""Says when images look nothing like the world that the embedded models were made for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vlrm.embedded.tower import SceneTowerConfig
from vlrm.experts.config import expert_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vlrm.experts.config import ExpertConfig

SURE = 0.6
"""A detection that counts. The surest of a rendered scene has .85 and more; of most photos it has less than this."""
SLACK = 1.5
"""How far beyond the reference scenes' extremes a statistic may lie: photos lie at several times them."""
STRANGE_SHARE = 0.25
"""From this share of strange images on a warning is given."""
SIDE, RIM = 64, 4
NOTHING_FOUND = "nothing_found"
Bounds = dict[str, tuple[float, float]]
"""Statistic -> what is still familiar, from .. to."""


@dataclass(frozen=True)
class Look:
    """What a picture is like, in grey levels, whatever its size.

    ``background``: how far the rim strays from its own median colour (90 % quantile): little on a plain table.
    ``detail``: how much neighbouring pixels of the picture scaled to 64 x 64 differ. ``colour``: how far the strongest
    channel stands above the weakest.
    """

    background: float
    detail: float
    colour: float


def look(image: Image.Image) -> Look:
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels_HWC = np.asarray(small, dtype=np.float64)
    inner = np.zeros((SIDE, SIDE), dtype=bool)
    inner[RIM:-RIM, RIM:-RIM] = True
    rim_NC = pixels_HWC[~inner]
    strays = np.abs(rim_NC - np.median(rim_NC, axis=0)).max(axis=1)
    grey_HW = pixels_HWC.mean(axis=2)
    detail = sum(float(np.abs(np.diff(grey_HW, axis=axis)).mean()) for axis in (0, 1))
    colour = float((pixels_HWC.max(axis=2) - pixels_HWC.min(axis=2)).mean())
    return Look(float(np.quantile(strays, 0.9)), detail, colour)


def familiar_bounds(reference: Iterable[Image.Image]) -> Bounds:
    """The range of every statistic among pictures of the world, widened by :data:`SLACK` on both sides."""
    looks = [asdict(look(image)) for image in reference]
    names = looks[0] if looks else ()
    return {name: (min(one[name] for one in looks) / SLACK, max(one[name] for one in looks) * SLACK) for name in names}


def strangeness(image: Image.Image, surest: float | None, bounds: Bounds) -> str | None:
    """Why the image is none of this world; None where it may be.

    ``surest``: the highest score of an object the embedded detector found in it, None where it was not asked.
    """
    if surest is not None and surest < SURE:
        return NOTHING_FOUND
    seen = asdict(look(image))
    return next((name for name, (low, high) in bounds.items() if not low <= seen[name] <= high), None)


def embedded_parts(base: str, experts: Sequence[ExpertConfig | dict[str, Any]]) -> list[str]:
    """Which of the models in use are the embedded ones, made for rendered scenes."""
    parts = ["vision-language model"] if is_embedded(base) else []
    configured = [expert_config(expert) for expert in experts]
    if any(expert.name == "detector" and "weights" not in expert.settings for expert in configured):
        parts.append("detector")
    return parts


def is_embedded(base: str) -> bool:
    """Whether a base model's folder holds the model of the embedded world."""
    config = Path(base) / "config.json"
    if not config.is_file():
        return False
    vision: Mapping[str, Any] = json.loads(config.read_text("utf-8")).get("vision_config", {})
    return vision.get("model_type") == SceneTowerConfig.model_type


def familiarity(reasons: Sequence[str | None], parts: Sequence[str]) -> dict[str, Any]:
    """Counts of :func:`strangeness` over the images looked at, and the warning when too many are strange."""
    counts = Counter(reason for reason in reasons if reason is not None)
    strange = counts.total()
    warned = bool(reasons) and strange / len(reasons) >= STRANGE_SHARE
    return {
        "images": len(reasons),
        "strange": strange,
        "reasons": dict(sorted(counts.items())),
        "warning": _warning(len(reasons), counts, parts) if warned else None,
    }


def _warning(seen: int, counts: Counter[str], parts: Sequence[str]) -> str:
    nothing = counts[NOTHING_FOUND]
    ways = {"vision-language model": "policy.base=FOLDER", "detector": "experts"}
    return (
        f"{counts.total()} of {seen} images look nothing like the rendered scenes that the embedded "
        f"{' and '.join(parts)} were made for (in {nothing} the detector is sure of no object, "
        f"{counts.total() - nothing} differ in background, detail or colour), so what they say there means little: "
        f"name models that fit your images with {' and '.join(ways[part] for part in parts)} in "
        "an environment of your own (docs/own_images.md)."
    )
