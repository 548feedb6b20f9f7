"""What the report shows: typed, so that a run's results can be stored and the page be made again from
them."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from vlrm.critiques.quality import CritiqueQuality
from vlrm.evaluation.best_of_n import BestOfN
from vlrm.evaluation.calibration import reliability_bins
from vlrm.evaluation.figures import Figure, Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vlrm.evaluation.outcomes import Outcomes

PICTURE_SIDE = 192
TRUTH_UNKNOWN = (
    "Truth is unknown about these images: every figure is agreement with the experts' evidence, which may err, on "
    "pairs of which the evidence is sure."
)


class Refusals(BaseModel):
    """One step of the acceptance waterfall, as in the WATERFALL table."""

    model_config = ConfigDict(extra="forbid")

    source: str
    test: str
    refused: int
    left: int


class RoundReport(BaseModel):
    """One round: what it offered and kept, and how its reward model did (``metrics`` is None without
    truth)."""

    model_config = ConfigDict(extra="forbid")

    round: int
    pairs_offered: int = 0
    pairs_kept: int = 0
    metrics: Metrics | None = None
    waterfall: list[Refusals] = Field(default_factory=list)
    margins: list[float] = Field(default_factory=list)
    """Temperature-scaled margins of the report pairs."""
    calibration_before: list[tuple[float, float, int]] = Field(default_factory=list)
    calibration_after: list[tuple[float, float, int]] = Field(default_factory=list)
    critiques: CritiqueQuality | None = None

    def figure(self, name: str) -> Figure | None:
        return None if self.metrics is None else self.metrics.figures.get(name)


class Mistake(BaseModel):
    """A pair the reward model orders wrongly, with its image as base64 JPEG (empty when it is gone)."""

    model_config = ConfigDict(extra="forbid")

    item_id: str
    kind: str
    part: str
    source: str
    question: str
    chosen: str
    rejected: str
    margin: float
    image_jpeg: str = ""


class ReportData(BaseModel):
    """Everything on the page. ``gains``: paired differences, last round minus round 0; ``baselines``: the
    floors."""

    model_config = ConfigDict(extra="forbid")

    by_evidence: bool = False
    """No truth is known: figures are agreement with the experts, and their names start with ``evidence_``."""
    title: str = "vlrm: rounds of a reward model"
    subtitle: str = ""
    notes: list[str] = Field(default_factory=list)
    rounds: list[RoundReport]
    gains: dict[str, Figure] = Field(default_factory=dict)
    baselines: dict[str, Figure | None] = Field(default_factory=dict)
    best_of_n: list[BestOfN] = Field(default_factory=list)
    mistakes: list[Mistake] = Field(default_factory=list)
    seconds: float | None = None
    peak_memory_mb: float | None = None
    champion: str | None = None


def own_images_notes(own: Mapping[str, Any]) -> list[str]:
    """What is said above the figures of a user's own images: how many came in, and how familiar they are."""
    brought = f"{own['prompts']} prompts about {own['images']} images; {own['set_aside']} rows were set aside."
    warning = own["familiarity"]["warning"]
    return [brought, warning] if warning else [brought]


def round_report(
    number: int,
    outcomes: Outcomes,
    metrics: Metrics,
    *,
    pairs_offered: int = 0,
    pairs_kept: int = 0,
    waterfall: list[Refusals] | None = None,
) -> RoundReport:
    """One round of the report from its outcomes and figures."""
    margin = outcomes.margins(metrics.readout)[outcomes.original]  # type: ignore[arg-type]
    margin = margin[np.isfinite(margin)]
    return RoundReport(
        round=number,
        pairs_offered=pairs_offered,
        pairs_kept=pairs_kept,
        metrics=metrics,
        waterfall=waterfall or [],
        margins=[round(float(m), 4) for m in margin / metrics.temperature],
        calibration_before=reliability_bins(margin, 1.0),
        calibration_after=reliability_bins(margin, metrics.temperature),
    )


def worst_mistakes(outcomes: Outcomes, metrics: Metrics, images: Path, count: int = 10) -> list[Mistake]:
    """The ``count`` pairs ordered wrongly by the widest margin; ``images``: the root of the image store."""
    margin = np.where(outcomes.original, outcomes.margins(metrics.readout), np.nan)  # type: ignore[arg-type]
    order = [int(i) for i in np.argsort(margin)[:count] if margin[i] < 0]
    found = []
    for index in order:
        row = outcomes.exam.row(index, named=True)
        names = ("item_id", "kind", "part", "source", "question", "chosen", "rejected")
        picture = _jpeg(images / row["image"])
        scaled = float(margin[index]) / metrics.temperature
        found.append(Mistake(**{name: row[name] for name in names}, margin=scaled, image_jpeg=picture))
    return found


def _jpeg(path: Path) -> str:
    if not path.is_file():
        return ""
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    stream = BytesIO()
    small.save(stream, format="JPEG", quality=85)
    return base64.b64encode(stream.getvalue()).decode()
