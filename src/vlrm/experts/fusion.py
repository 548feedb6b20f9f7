"""Several detectors as one: boxes fused by weighted box fusion, disagreement kept as less confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlrm.experts import detections
from vlrm.experts.base import fingerprint, objects, overlap
from vlrm.experts.config import ExpertConfig, build_expert
from vlrm.experts.detections import Detection, as_evidence
from vlrm.experts.measured import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.schema import Box, Evidence


class Settings(BaseModel):
    """``detectors``: entries as in the list of experts. ``weights``: how much each one counts, equal if unsaid."""

    model_config = ConfigDict(extra="forbid")
    detectors: list[ExpertConfig] = Field(min_length=1)
    weights: list[float] | None = None
    overlap: float = Field(default=0.55, gt=0, lt=1)
    """Boxes of one label that overlap by this (IoU) or more are of the same object."""
    confidence: float = Field(default=0.05, gt=0, lt=1)
    most: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _one_weight_each(self) -> Settings:
        if self.weights is not None and len(self.weights) != len(self.detectors):
            raise ValueError(f"{len(self.weights)} weights for {len(self.detectors)} detectors: write one for each")
        if self.weights is not None and min(self.weights) <= 0:
            raise ValueError("weights are above 0: leave a detector out instead")
        return self


class Fusion:
    """Reports the fused objects as one expert, so that detectors that err alike count as one witness, not several."""

    name = "fusion"
    settings_type = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.members = [build_expert(config) for config in settings.detectors]
        self.labels = tuple(sorted({label for member in self.members for label in labels_of(member)}))
        values = settings.model_dump(mode="json", exclude={"detectors"})
        identities = [getattr(member, "identity", None) or member.fingerprint for member in self.members]
        self.identity = {**values, "detectors": [[m.name, i] for m, i in zip(self.members, identities, strict=True)]}
        fingerprints = [member.fingerprint for member in self.members]
        self.fingerprint = fingerprint(__file__, {**values, "detectors": fingerprints}, [detections.__file__])

    def annotate(self, images: Sequence[Image.Image], found: Sequence[list[Evidence]]) -> list[list[Evidence]]:
        """The fused objects of each image; each detector sees the whole batch. ``found`` is not used."""
        weights = self.settings.weights or [1.0] * len(self.members)
        knows = [frozenset(labels_of(member)) for member in self.members]
        reported = [member.annotate(images, [[] for _ in images]) for member in self.members]
        fused = []
        for rows in zip(*reported, strict=True):
            boxes = [[Detection(row.label, row.box, row.score) for row in objects(one)] for one in rows]
            kept = weighted_box_fusion(boxes, weights, knows, self.settings.overlap)
            kept = [one for one in kept if one.score >= self.settings.confidence]
            fused.append(as_evidence(kept, self, self.settings.most))
        return fused


def weighted_box_fusion(
    found: Sequence[Sequence[Detection]],
    weights: Sequence[float],
    knows: Sequence[frozenset[str]],
    most: float = 0.55,
) -> list[Detection]:
    """One detection for each group of boxes that share a label and overlap.

    As in Solovyev, Wang and Gabruseva (arXiv 1910.13302): boxes go, surest first, to the group whose fused box they
    overlap by ``most`` (IoU) or more; the fused box is the mean of its boxes by weight times score. Its score is
    sum(w_k s_k) / sum(w_k) over the detectors k that *know* the label, s_k being k's surest box of the group and 0
    where k has none: a detector that could have seen the object and did not lowers the confidence, one that has no
    word for it does not.

    Args:
        found: detections of each detector on one image.
        weights: of each detector, above 0.
        knows: the labels of each detector.
    """
    everything = [(one, k) for k, boxes in enumerate(found) for one in boxes]
    everything.sort(key=lambda entry: (-entry[0].score * weights[entry[1]], entry[0].label, entry[0].box, entry[1]))
    groups: list[list[tuple[Detection, int]]] = []
    fused: list[Detection] = []
    for one, k in everything:
        shares = [overlap(one.box, known.box) if known.label == one.label else 0.0 for known in fused]
        best = max(range(len(shares)), key=shares.__getitem__, default=-1)
        if best >= 0 and shares[best] >= most:
            groups[best].append((one, k))
        else:
            best = len(groups)
            groups.append([(one, k)])
            fused.append(one)
        fused[best] = _fuse(groups[best], weights, knows)
    return fused


def _fuse(
    group: Sequence[tuple[Detection, int]], weights: Sequence[float], knows: Sequence[frozenset[str]]
) -> Detection:
    label = group[0][0].label
    pull = [weights[k] * one.score for one, k in group]
    total = sum(pull)
    corners = [sum(p * one.box[i] for p, (one, _) in zip(pull, group, strict=True)) / total for i in range(4)]
    box: Box = (round(corners[0], 4), round(corners[1], 4), round(corners[2], 4), round(corners[3], 4))
    surest: dict[int, float] = {}
    for one, k in group:
        surest[k] = max(surest.get(k, 0.0), one.score)
    asked = sum(weight for k, weight in enumerate(weights) if label in knows[k] or k in surest)
    return Detection(label, box, sum(weights[k] * score for k, score in surest.items()) / asked)
