"""What a model folder says of its eyes: ``seeing.json`` names the experts and how their evidence is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlrm.errors import UserError
from vlrm.experts.config import ExpertConfig
from vlrm.lineage.files import write_json

FILE = "seeing.json"
"""A model folder that holds this file is a language model that sees through experts."""


class Seeing(BaseModel):
    """The experts that look, in their order, and how what they find is written into a prompt."""

    model_config = ConfigDict(extra="forbid")

    experts: list[ExpertConfig] = Field(min_length=1)
    form: Literal["evidence-2"] = "evidence-2"
    """How evidence is written (:mod:`vlrm.seeing.prefix`); a change of it is a new name."""
    tokens: int = Field(default=96, ge=16)
    """The longest prefix."""
    dropout: float = Field(default=0.15, ge=0, le=1)
    """Of a partial look: chance that an object, or a text that was read, is left out."""
    noise: float = Field(default=0.05, ge=0, le=1)
    """Of a partial look: chance that an object that stays gets another label."""
    fading: float = Field(default=0.5, ge=0, le=1)
    """Of a partial look: chance that an object that stays is seen less surely."""


def sees_through_experts(folder: str | Path) -> bool:
    return (Path(folder) / FILE).is_file()


def read_seeing(folder: str | Path) -> Seeing:
    """The eyes of a model folder.

    Raises:
        UserError: the file has not its form.
    """
    path = Path(folder) / FILE
    try:
        return Seeing.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise UserError(
            f"{path} is not right ({place}: {problem['msg']}): its keys are {', '.join(Seeing.model_fields)}. "
            "Where it is the base of --env photos, of an earlier version, delete its folder: it is set up again."
        ) from error


def write_seeing(seeing: Seeing, folder: str | Path) -> None:
    written: dict[str, Any] = seeing.model_dump(mode="json")
    write_json(Path(folder) / FILE, written)
