"""What is known of one judge on one benchmark after an evaluation: the row of figures, and all the page shows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from vlrm.evaluation.figures import Figure


class Baseline(BaseModel):
    """A rule or a model that every judge should beat, on the items that the judge judged."""

    model_config = ConfigDict(extra="forbid")

    accuracy: Figure
    macro: Figure | None = None
    by_category: dict[str, Figure] = Field(default_factory=dict)


class Mistake(BaseModel):
    """An item decided wrongly. ``margin``: reward of the better answer less that of the worse (or share of votes);
    ``claims``: HTML of each answer with its claims coloured, empty where no expert looked."""

    model_config = ConfigDict(extra="forbid")

    key: str
    id: str
    category: str
    question: str
    better: str
    worse: str
    margin: float
    confidence: float
    image_jpeg: str = ""
    claims: tuple[str, str] = ("", "")
    seen: list[str] = Field(default_factory=list)
    """What the boxes in the image are."""
    said: list[str] = Field(default_factory=list)
    """What the judge wrote: critiques, or its judgement."""


class Result(BaseModel):
    """One judge on one benchmark. Figures that could not be measured are absent."""

    model_config = ConfigDict(extra="forbid")

    suite: str
    model: str
    fingerprint: str = ""
    items: int
    """In the benchmark."""
    judged: int
    """Of them: the judge was asked and said something, readable or not."""
    strange: int = 0
    """Judgements of items that the benchmark does not hold (of an older version of its file)."""
    scalar: bool = False
    """Whether the judge gives rewards; else it votes."""
    figures: dict[str, Figure]
    by_category: dict[str, Figure] = Field(default_factory=dict)
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    temperature: float | None = None
    calibration_before: list[tuple[float, float, int]] = Field(default_factory=list)
    calibration_after: list[tuple[float, float, int]] = Field(default_factory=list)
    margins: list[float] = Field(default_factory=list)
    """Quantiles of the margins, at most a thousand: the shape of their distribution."""
    mistakes: list[Mistake] = Field(default_factory=list)

    def flat(self) -> dict[str, str | int | float]:
        """One row of a table: names, counts, and the value, low and high of every figure."""
        row: dict[str, str | int | float] = {
            "suite": self.suite, "model": self.model, "fingerprint": self.fingerprint, "items": self.items,
            "judged": self.judged,
        }  # fmt: skip
        named = dict(self.figures)
        named |= {f"category.{name}": figure for name, figure in self.by_category.items()}
        for name, baseline in self.baselines.items():
            named[f"baseline.{name}"] = baseline.accuracy
            if baseline.macro is not None:
                named[f"baseline.{name}_macro"] = baseline.macro
        for name, figure in named.items():
            row |= {name: figure.value, f"{name}.low": figure.low, f"{name}.high": figure.high}
        return row


class Difference(BaseModel):
    """A figure of one judge less the same figure of another, from the same bootstrap draws."""

    model_config = ConfigDict(extra="forbid")

    figure: Figure
    p_value: float
    """Two-sided, of the bootstrap: how often the drawn difference falls on the other side of zero."""


class Discordant(BaseModel):
    """Items that only one of two judges has right (a tie is not right), and McNemar's exact test of their balance.

    The test takes items for independent draws, so it is sharper than it should be where many share an image.
    """

    model_config = ConfigDict(extra="forbid")

    only_first: int
    only_second: int
    p_value: float


class Comparison(BaseModel):
    """Two judges on the items of one benchmark that both have judged."""

    model_config = ConfigDict(extra="forbid")

    suite: str
    first: Result
    second: Result
    differences: dict[str, Difference]
    by_category: dict[str, Difference]
    discordant: Discordant
