"""Node of the model export: find the model, gather rows of finished rounds, and hand them to the writer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from vlrm.errors import UserError
from vlrm.pipelines.settings import image_store
from vlrm.registry.resolve import find_model
from vlrm.reward.export import ExportModel, export_model
from vlrm.reward.model import RewardModel, Row
from vlrm.vlm import Vlm

SIDES = ("chosen", "rejected")
TRUSTED = 0.9
"""Share of pairs in the reward's order below which a user is warned of the scalar form."""


@dataclass(frozen=True)
class ExportedModel:
    """A reward model on its way to a folder of files. ``rows`` fit the scalar form, ``held_out`` measure it."""

    source: Path
    images: Path
    rows: Sequence[Row]
    held_out: Sequence[Row] | None
    settings: ExportModel

    def save(self, path: Path) -> None:
        copied = self.source / "base"
        config = RewardModel.read_config(self.source)
        base = copied if copied.exists() else config.base
        model = RewardModel.load(self.source, Vlm.load(base, self.images, max_pixels=config.max_pixels))
        about = export_model(model, self.rows, path, self.settings, self.held_out)
        console = Console(highlight=False, soft_wrap=True)
        for line in told(about):
            console.print(line)


def export_reward_model(
    model: str, settings: ExportModel, data: str, experiment: str, exam: pa.Table | None = None, *pairs: pa.Table
) -> ExportedModel:
    """The model's export; its scalar form is fitted on kept pairs and measured on the gate split's."""
    source = find_model(model, Path(data), experiment).folder
    if exam is None or not pairs:
        raise UserError(
            "no round is finished, so there are no responses to fit the scalar form on: kedro run --pipelines iterate "
            "makes them (another experiment is named with --params experiment=NAME)"
        )
    rows = _rows((row for table in pairs for row in table.to_pylist()), settings.rows)
    gate = _rows((row for row in exam.to_pylist() if row["split"] == "gate"), settings.rows)
    return ExportedModel(source, image_store(data), rows, gate or None, settings)


def _rows(pairs: Iterable[dict[str, Any]], most: int) -> list[Row]:
    """Distinct responses to whole images, at most ``most``: which images, a hash decides."""
    found = {Row(pair["image_sha256"], pair["question"], pair[side]) for pair in pairs for side in SIDES}
    order = {row: hashlib.sha256(str(row.image).encode()).hexdigest() for row in found}
    return sorted(found, key=lambda row: (order[row], row.question, row.response))[:most]


def told(about: dict[str, Any]) -> list[str]:
    """What a user must know of an export: its files, and how far the scalar form is from the reward."""
    files, checked = about["files"], about.get("checked", {})
    lines = []
    if "merged" in files:
        error = checked.get("merged_max_error")
        lines.append(f"Merged    {_measured(error)} from the reward, {about['dtype']}")
    if "classifier" in files:
        one = files["classifier"]
        loads = "AutoModelForSequenceClassification" if one["in_transformers"] else "no class of transformers by itself"
        lines.append(f"Classifier {one['class']}, loaded by {loads}; its reward is logit {one['bias']:+.4f}")
    scalar = about["scalar"]
    for name, title in (("held_out", "Scalar form"), ("held_out_yes_term_alone", "Yes term alone")):
        one = scalar[name]
        lines.append(
            f"{title}: correlation {_share(one['correlation'])}, order of pairs {_share(one['pair_agreement'])} "
            f"({one['pairs']} pairs), mean error {one['mean_absolute_error']:.4f} on {one['rows']} held-out responses"
        )
    share = scalar["held_out"]["pair_agreement"]
    if share is None or share < TRUSTED:
        lines.append(
            f"[yellow]The scalar form orders {_share(share)} of the pairs as the reward does: where that matters, use "
            "the merged model and not the classifier or the value head[/yellow]"
        )
    if about["not_in_transformers"]:
        kinds = ", ".join(about["not_in_transformers"])
        lines.append(f"[yellow]Not in transformers: {kinds}; import vlrm.embedded.tower before loading[/yellow]")
    return lines


def _measured(error: float | None) -> str:
    return "not checked how far" if error is None else f"at most {error:.1e}"


def _share(value: float | None) -> str:
    return "not counted" if value is None else f"{value:.3f}"
