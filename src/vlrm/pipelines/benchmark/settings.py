"""What a benchmark asks for besides the judge and its suite."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlrm.evaluation.judges.generative import Voting
from vlrm.evaluation.judges.protocol import View


class Benchmark(BaseModel):
    """Settings of ``kedro run --pipelines benchmark`` and ``compare``."""

    model_config = ConfigDict(extra="forbid")

    file: str | None = None
    """The suite's file or folder, or a hub name; by default the folder ``01_raw/benchmarks/<suite>`` of the data."""
    views: tuple[View, ...] = ("image", "blank", "swapped")
    """What a judge that looks is shown of each item; the last two are the controls, and ask everything again."""
    missing_images: Literal["refuse", "skip"] = "refuse"
    """``skip`` judges the items whose images are at hand, and says how many are not."""
    critiques: int | None = Field(None, ge=0)
    """Sampled by a reward model for each answer; by default as many as helped on the gate split."""
    evidence: bool = False
    """Draw what the experts of ``detector_rule`` see into the images of the worst mistakes, and colour the claims."""
    voting: Voting = Voting()
    """How a judge that writes is asked."""

    @field_validator("views", mode="before")
    @classmethod
    def _listed(cls, views: Any) -> Any:
        return (views,) if isinstance(views, str) else views

    @field_validator("views")
    @classmethod
    def _with_the_image(cls, views: tuple[View, ...]) -> tuple[View, ...]:
        if "image" not in views:
            raise ValueError("the view 'image' must be among them: blank and swapped are compared with it")
        return tuple(dict.fromkeys(views))
