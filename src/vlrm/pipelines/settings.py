"""The parameters of the loop, typed: a misspelt or impossible one is refused by name before anything runs."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlrm.claims.likelihoods import SHRINK
from vlrm.claims.reliability import CERTAIN
from vlrm.critiques.templates import AUTO, TEMPLATES
from vlrm.devices import DEVICE, PrecisionOrAuto
from vlrm.evaluation.exam_parts import CRITICISED
from vlrm.policy.candidates import Distinct
from vlrm.policy.endpoint_settings import Endpoint
from vlrm.policy.examples import Example
from vlrm.policy.protocol import Sampling
from vlrm.policy.sources import Sources


class World(BaseModel):
    """What is drawn from the embedded world, and how many prompts of a user's own files a round may take."""

    model_config = ConfigDict(extra="forbid")

    prompts_per_round: int = Field(150, ge=1)
    calibration_scenes: int = Field(300, ge=20)
    calibration_prompts: int = Field(150, ge=0)
    gate_prompts: int = Field(120, ge=1)
    report_prompts: int = Field(320, ge=1)
    training_parts: dict[str, float] = {"iid": 1.0}
    report_parts: dict[str, float] = {
        "iid": 0.3,
        "prior_breaking": 0.35,
        "prior_conforming": 0.2,
        "unseen_combination": 0.15,
    }


class Verdicts(BaseModel):
    """How the measured reliability of experts becomes verdicts (:mod:`vlrm.claims.reliability`)."""

    model_config = ConfigDict(extra="forbid")

    certain: float = Field(CERTAIN, gt=0.5, lt=1)
    shrink: float = Field(SHRINK, gt=0)


class Policy(BaseModel):
    """The base model, a folder or hub name, how K candidates are drawn from it, and which count as one.

    With an ``endpoint``, that one writes the candidates and the critiques that see the evidence. What learns needs
    weights: on-policy critiques, the reward model and its evaluation stay with ``base``.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    base: str
    candidates: int = Field(4, ge=2)
    sampling: Sampling = Sampling()
    distinct: Distinct = Distinct()
    sources: Sources | None = Field(None, exclude_if=lambda sources: sources is None)
    """What candidates are written about; null: each about its image."""
    examples: tuple[Example, ...] = Field((), exclude_if=lambda examples: not examples)
    """Shown before a request to describe, for a base model that rambles without."""
    # Left out of a round's key while there is none: rounds from before it stay what they are.
    endpoint: Endpoint | None = Field(None, exclude_if=lambda endpoint: endpoint is None)
    dtype: PrecisionOrAuto = Field("float32", exclude_if=lambda dtype: dtype == "float32")
    """Of the base model's weights; ``auto`` is bfloat16 on a GPU that computes in it, else float32."""
    max_pixels: int | None = Field(None, ge=1, exclude_if=lambda pixels: pixels is None)
    """Larger images are scaled down before ``base`` sees them, in sampling, training and scoring; saved with it."""

    # These say how, not what: with another value a finished round stays finished.
    device: str = Field("cpu", pattern=f"^({DEVICE})$", exclude=True)
    """``cpu``, ``cuda``, ``cuda:N``, or ``auto``: the first GPU where there is one."""
    features: bool = Field(False, exclude=True)
    """Keep what the vision tower makes of each image in ``cache/features`` of the data folder, by content."""


class Critiques(BaseModel):
    """``samples`` critiques per response with the evidence quoted; ``on_policy`` without it, for the head's input.

    Where training reads few of them, the others need not be written: ``share`` of the responses get the first kind, and
    ``on_policy_share`` of the kept pairs the second, both drawn by their responses. ``exam_pairs`` of the report split
    are read with critiques where these are not the readout; with one of ``exam_samples`` there is no reasoning
    consistency, which needs groups of six.
    """

    model_config = ConfigDict(extra="forbid")

    samples: int = Field(2, ge=1)
    on_policy: int = Field(1, ge=0)
    # Shares are left out of a round's key while they are all: rounds from before them stay what they are.
    share: float = Field(1.0, gt=0, le=1, exclude_if=lambda share: share == 1)
    on_policy_share: float = Field(1.0, gt=0, le=1, exclude_if=lambda share: share == 1)
    exam_samples: int = Field(2, ge=1)
    exam_pairs: int = Field(CRITICISED, ge=2, exclude_if=lambda pairs: pairs == CRITICISED)
    sampling: Sampling = Sampling(max_new_tokens=80)
    template: str = AUTO
    """How critics are asked and read: a name of :mod:`vlrm.critiques.templates`, or auto, by the base model."""

    @field_validator("template")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in (AUTO, *TEMPLATES):
            raise ValueError(f"must be {AUTO} or one of {', '.join(TEMPLATES)}")
        return name


class BestOf(BaseModel):
    """Best-of-N on the first ``prompts`` report prompts, for N up to ``candidates``."""

    model_config = ConfigDict(extra="forbid")

    prompts: int = Field(80, ge=1)
    candidates: int = Field(16, ge=2)


def image_store(data: str) -> Path:
    """The content-addressed image store under the data folder."""
    return Path(data) / "01_raw" / "images"


def feature_store(data: str) -> Path:
    """Where image features are kept under the data folder, with ``policy.features``."""
    return Path(data) / "cache" / "features"
