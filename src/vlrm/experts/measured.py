"""The measured reliability of a list of experts as one file: shipped beside an expert, or measured by a user."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from vlrm.errors import UserError
from vlrm.experts.registry import known_experts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlrm.experts.base import Expert

log = logging.getLogger(__name__)
SUFFIX = ".reliability.json"


class Measured(BaseModel):
    """What was measured of which experts; ``verification`` is what :class:`vlrm.claims.reliability.Reliability` reads.

    ``detectors``: by name, the settings that decide what a detector reports, and its fingerprint then. Experts that
    only describe the objects found do not count here: where none was measured their word weighs nothing.
    """

    model_config = ConfigDict(extra="forbid")
    detectors: dict[str, dict[str, Any]]
    images: int
    table: dict[str, Any]
    """See :func:`vlrm.experts.label_table.label_table`."""
    verification: dict[str, Any]


def detectors(experts: Sequence[Expert]) -> dict[str, dict[str, Any]]:
    """The experts that report objects, each with its ``identity`` (where it tells one) and fingerprint."""
    return {
        expert.name: {"identity": getattr(expert, "identity", None), "fingerprint": expert.fingerprint}
        for expert in experts
        if labels_of(expert)
    }


def labels_of(expert: Expert) -> tuple[str, ...]:
    """The nouns an expert can report; none for one that describes what others found."""
    return tuple(getattr(expert, "labels", ()) or getattr(expert, "names", ()))


def read_measured(path: Path, experts: Sequence[Expert]) -> Measured:
    """The file ``path``, checked to be about these experts.

    Raises:
        UserError: it is missing, damaged, or about other detectors or settings.
    """
    try:
        measured = Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"The reliability {path} does not exist: {_MEASURE}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise UserError(f"{path} does not hold the reliability of experts: {_MEASURE}") from error
    if not _same(measured.detectors, detectors(experts)):
        raise UserError(
            f"{path} is about other detectors or settings ({', '.join(measured.detectors)}) than those configured "
            f"({', '.join(detectors(experts)) or 'none'}): {_MEASURE}"
        )
    return measured


def shipped(experts: Sequence[Expert]) -> Measured | None:
    """The reliability that came with the one detector among ``experts``, None when there is none for its settings."""
    ours = detectors(experts)
    if len(ours) != 1:
        return None
    (name,) = ours
    path = Path(__file__).with_name(name + SUFFIX)
    if name not in known_experts() or not path.is_file():
        return None
    measured = Measured.model_validate(json.loads(path.read_text(encoding="utf-8")))
    if not _same(measured.detectors, ours):
        return None
    if measured.detectors[name]["fingerprint"] != ours[name]["fingerprint"]:
        log.info("the reliability of %s was measured with another version of its code or libraries", name)
    return measured


_MEASURE = (
    "measure it on images whose objects are known with kedro run --pipelines expert_reliability "
    "--params images=FOLDER,truth=INSTANCES.json."
)


def needs_measuring(experts: Sequence[Expert]) -> UserError:
    """What to tell where nothing is known of the experts: verdicts are likelihoods, and there are none."""
    names = ", ".join(detectors(experts)) or "no detector"
    return UserError(
        f"It is not known how reliable the configured experts are ({names}, with these settings): {_MEASURE} "
        "Then add reliability=FILE."
    )


def _same(measured: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]) -> bool:
    """Equal detectors with equal settings; those that tell no identity must have the same fingerprint."""

    def key(one: dict[str, Any]) -> Any:
        return one["fingerprint"] if one["identity"] is None else one["identity"]

    return {name: key(one) for name, one in measured.items()} == {name: key(one) for name, one in ours.items()}
