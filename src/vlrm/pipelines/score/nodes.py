"""Node that scores a user's table with a reward model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from vlrm.errors import UserError
from vlrm.pipelines.settings import image_store
from vlrm.progress import say
from vlrm.registry.resolve import find_model
from vlrm.reward.score_file import score_file

FILE = "scores.parquet"


class Scoring(BaseModel):
    """What ``kedro run --pipelines score`` asks of the model."""

    model_config = ConfigDict(extra="forbid")

    critiques: int | None = Field(None, ge=0)
    """Critiques sampled and averaged over for each response; by default as many as helped on the gate split."""


@dataclass(frozen=True)
class Scores:
    """Rewards that are computed while they are written."""

    source: Path
    store: Path
    responses: str
    images: str | None
    settings: Scoring

    def save(self, path: Path) -> None:
        from vlrm.reward.scoring import Scorer

        scorer = Scorer.load(self.source, self.store)
        # a folder may be called 2024, which Kedro takes for a number
        folder = None if self.images is None else Path(str(self.images)).expanduser()
        done = score_file(
            scorer, Path(str(self.responses)).expanduser(), folder, path / FILE,
            self.settings.critiques, lambda rows: say(f"row {rows} scored"),
        )  # fmt: skip
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"{done.rows - done.refused} of {done.rows} responses scored by {self.source}")
        if done.refused:
            console.print(f"{done.refused} could not be scored: the column problem of {FILE} says why")


def score_responses(
    model: str, responses: str | None, images: str | None, settings: Scoring, data: str, experiment: str = "default"
) -> Scores:
    """Rewards of every row of ``responses``, JSONL or Parquet of question, response and, if wanted, image."""
    if responses is None:
        raise UserError(
            "responses are scored from a file: give --params responses=FILE.jsonl, and images=FOLDER where its rows "
            "name images"
        )
    return Scores(find_model(model, Path(data), experiment).folder, image_store(data), responses, images, settings)
