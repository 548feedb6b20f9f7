"""Writes a reward model so that it is used without this project: merged base, sequence classifier, value head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
import transformers
from peft.tuners.lora import LoraLayer
from pydantic import BaseModel, ConfigDict, Field, field_validator
from safetensors.torch import save_file
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from vlrm import chat
from vlrm.errors import UserError
from vlrm.lineage.files import write_json
from vlrm.progress import say
from vlrm.reward.adapters import merge_adapter, softcap
from vlrm.reward.check import check_classifier, check_merged
from vlrm.reward.classifier import save_classifier
from vlrm.reward.model import ADAPTER, RewardModel, Row
from vlrm.reward.scalar import Scalar, States, agreement, fit, group, split, states, yes_direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ABOUT, BASE, CLASSIFIER, VALUE_HEAD = "export.json", "base", "classifier", "value_head.safetensors"
MERGED = "merged"
PARTS = (MERGED, CLASSIFIER, "value_head")
WRONG = 1e-3
"""A larger difference of a reward from the one before the export is no rounding of float32."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class ExportModel(BaseModel):
    """What ``kedro run --pipelines export_model`` writes, and of which model."""

    model_config = ConfigDict(extra="forbid")

    parts: tuple[str, ...] = PARTS
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the written weights. They are merged in float32 and rounded then; what that costs is measured, in float32."""
    rows: int = Field(default=2000, ge=4)
    """Responses that the scalar form is fitted on, at most."""
    held_out: float = Field(default=0.25, gt=0, lt=1)
    """Share of the images to measure on, where no rows of a split of their own are given."""
    checked_rows: int = Field(default=16, ge=0)
    """Rows that the written files are loaded for and scored again; 0 leaves that out (it needs the memory twice)."""

    @field_validator("parts", mode="before")
    @classmethod
    def _listed(cls, parts: Any) -> Any:
        return (parts,) if isinstance(parts, str) else parts

    @field_validator("parts")
    @classmethod
    def _known(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in parts if name not in PARTS]
        if unknown or not parts:
            raise ValueError(f"there is no part '{', '.join(unknown)}'; there are {', '.join(PARTS)}")
        return tuple(dict.fromkeys(parts))


def export_model(
    model: RewardModel,
    rows: Sequence[Row],
    folder: Path,
    settings: ExportModel | None = None,
    held_out: Sequence[Row] | None = None,
) -> dict[str, Any]:
    """Write the parts into ``folder`` and return what :data:`ABOUT` there says.

    Args:
        model: in float32; its adapter is merged for good and its weights take the written dtype.
        rows: responses to fit the scalar form on; to one prompt at least two, about several images.
        held_out: rows to measure on; by default the rows of some of the images of ``rows``.

    Raises:
        UserError: the model is not in float32, was trained in 4 bits, or measures against its base and is to be
            merged; or the rows are about one image only.
    """
    settings = settings or ExportModel()
    vlm = model.vlm
    if model.config.mode == "qlora":
        raise UserError(
            "an adapter trained on a base in 4 bits is not merged: it fits no other weights; use Scorer.load"
        )
    if model.config.reference and MERGED in settings.parts:
        raise UserError(
            "this reward counts the likelihood less that of its base (reward.reference), which one merged model cannot "
            "tell: leave merged out of parts, or use Scorer.load"
        )
    if vlm.model.dtype is not torch.float32:
        raise UserError(f"an adapter is merged in float32, and the model is loaded as {vlm.model.dtype}: load it so")
    fitted, held = (list(rows), list(held_out)) if held_out else split(rows, settings.held_out)
    if not held or not fitted:
        raise UserError("the scalar form needs responses about at least two images: one to fit on, one to measure on")
    model.eval()
    found, test = states(model, fitted), states(model, held)
    about = _about(model, settings)
    fold(model)  # not before: a reward against its base is read with the adapter apart
    scalar = fit(found, yes_direction(model), [group(row) for row in fitted])
    question = chat.VERIFY[model.config.verify_form]
    about |= {"scalar": _scalar(model, scalar, found, test, held)}
    if settings.dtype != "float32":
        vlm.model.to(DTYPES[settings.dtype])
    about["files"] = _write(model, scalar, folder, settings)
    if settings.checked_rows:
        shown = held[: settings.checked_rows]
        rewards = test.of(range(len(shown)))
        about["checked"] = {"rows": len(shown)}
        if MERGED in settings.parts:
            about["checked"]["merged_max_error"] = check_merged(folder, vlm, shown, rewards.reward_N)
        if CLASSIFIER in settings.parts:
            expected = scalar(rewards.hidden_ND) - scalar.bias
            about["checked"] |= check_classifier(folder / CLASSIFIER, vlm, shown, expected, question)
        _refuse_wrong(about)
    write_json(folder / ABOUT, about)
    return about


def _refuse_wrong(about: dict[str, Any]) -> None:
    """No files that are not the model: in float32 they are it to rounding, in less they are at least numbers."""
    most = WRONG if about["dtype"] == "float32" else math.inf
    for name, error in about["checked"].items():
        if name.endswith("_error") and not error < most:
            raise RuntimeError(f"what was written does not score as the model it was made of ({name} is {error})")


def fold(model: RewardModel) -> None:
    """Merge the adapter into the weights and take its layers out: what stays is a plain model of transformers."""
    backbone = model.backbone
    if model.config.adapter:
        layers = [(name, layer) for name, layer in backbone.named_modules() if isinstance(layer, LoraLayer)]
        if not all(layer.merged for _, layer in layers):
            merge_adapter(backbone, ADAPTER)
        for name, layer in layers:
            parent, _, child = name.rpartition(".")
            setattr(backbone.get_submodule(parent), child, layer.get_base_layer())
        backbone._hf_peft_config_loaded = False
        del backbone.peft_config
        # Loading an adapter leaves the renaming of *its* file here, and save_pretrained would undo it on all weights.
        backbone.__dict__.pop("_weight_conversions", None)
    # What is exported is the reward of a response alone: critiques are written by a critic on the base model.
    model.config = model.config.model_copy(
        update={"adapter": False, "critiques": 0, "mode": "lora", "reference": False, "by_claim": 0.0}
    )


def _about(model: RewardModel, settings: ExportModel) -> dict[str, Any]:
    config = model.config
    whole = model.backbone.config
    parts = [one.model_type for one in (whole, getattr(whole, "vision_config", None)) if one is not None]
    likelihood = "(mean log p(response) - the same of the base)" if config.reference else "mean log p(response)"
    return {
        "reward": f"likelihood_scale * {likelihood} + yes_scale * log-odds(yes) + head(last hidden state)",
        "likelihood_scale": model.likelihood_scale.item(),
        "yes_scale": model.yes_scale.item(),
        "yes_token": model.yes_no[0],
        "no_token": model.yes_no[1],
        "verification_question": chat.VERIFY[config.verify_form],
        "logit_softcap": softcap(model.backbone.config),
        "left_out_by_claim": config.by_claim,
        "temperature": config.temperature,
        "max_pixels": model.vlm.max_pixels,
        "sees": model.vlm.sees,
        "text_only": config.text_only,
        "made_from": config.base,
        "dtype": settings.dtype,
        "transformers": transformers.__version__,
        "not_in_transformers": [kind for kind in parts if kind not in CONFIG_MAPPING_NAMES],
    }


def _scalar(model: RewardModel, scalar: Scalar, found: States, test: States, held: Sequence[Row]) -> dict[str, Any]:
    """What the fit was, and how the scalar form and the yes term alone agree with the full reward on held-out rows."""
    prompts = [(row.image, row.question) for row in held]
    start_D = yes_direction(model)
    yes = Scalar(start_D, float((found.reward_N - found.hidden_ND @ start_D).mean()), math.inf)
    return {
        "fitted_rows": len(found.reward_N),
        "penalty": None if math.isinf(scalar.penalty) else scalar.penalty,
        "held_out": agreement(scalar(test.hidden_ND), test.reward_N, prompts).model_dump(),
        "held_out_yes_term_alone": agreement(yes(test.hidden_ND), test.reward_N, prompts).model_dump(),
    }


def _write(model: RewardModel, scalar: Scalar, folder: Path, settings: ExportModel) -> dict[str, Any]:
    vlm = model.vlm
    written: dict[str, Any] = {}
    if MERGED in settings.parts:
        say("merged model")
        vlm.model.save_pretrained(folder / BASE)
        vlm.processor.save_pretrained(folder / BASE)
        model.save(folder)
        written[MERGED] = {"folder": BASE, "head": "head.safetensors", "settings": "reward.json"}
    if CLASSIFIER in settings.parts:
        say("sequence classifier")
        question = chat.VERIFY[model.config.verify_form]
        written[CLASSIFIER] = {"folder": CLASSIFIER} | save_classifier(vlm, scalar, question, folder / CLASSIFIER)
    if "value_head" in settings.parts:
        folder.mkdir(parents=True, exist_ok=True)
        head = {
            "v_head.summary.weight": scalar.weight_D[None].float().contiguous(),
            "v_head.summary.bias": torch.tensor([scalar.bias], dtype=torch.float32),
        }
        save_file(head, folder / VALUE_HEAD, {"format": "pt"})
        written["value_head"] = {"file": VALUE_HEAD}
    return written
