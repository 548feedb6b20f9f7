"""Settings of reward-model training (docs/training.md tells what each is for)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def _is(default: Any) -> Callable[[Any], bool]:
    """Leaves a setting out of a round's key while it is the default: rounds from before it stay what they are."""
    return lambda value: bool(value == default)


class RewardTraining(BaseModel):
    """Settings of reward-model training (docs/training.md)."""

    model_config = ConfigDict(extra="forbid")

    epochs: float = Field(3, gt=0)
    pairs_per_step: int = Field(16, ge=2)
    """Pairs of one optimiser step, over all its micro-batches and processes."""
    rate: float = Field(2e-3, gt=0)
    scale_rate: float = Field(2e-2, gt=0)
    """Relative rate of the two scales: they change by factors, in log space they would be steps of this size."""
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_targets: tuple[str, ...] = LINEAR
    centring: float = 0.01
    image_contrast: float = 0.5
    language_model: float = 0.1
    with_critique: float = Field(0.5, ge=0, le=1)
    perturbed: float = Field(0.15, ge=0, le=1)
    clip: float = 1.0
    partial: float = Field(0.0, ge=0, le=1, exclude_if=_is(0.0))
    """Chance that a pair is read with evidence left out and mistaken, where the base sees through experts."""

    likelihood_scale: float | None = Field(None, ge=0, exclude_if=_is(None))
    yes_scale: float | None = Field(None, ge=0, exclude_if=_is(None))
    """Where the two scales start; None: where round 0's readout has them, one of them at 0."""

    reference: bool = Field(False, exclude_if=_is(False))
    """Count the likelihood as far as training changed it: less that of the base model, which is read once more."""

    by_claim: float = Field(0.0, ge=0, exclude_if=_is(0.0))
    """At scoring, added so many times: the mean over the things that a response names of what the trained model itself
    answers when asked of each (:mod:`vlrm.reward.by_claim`)."""

    mode: Literal["lora", "qlora", "full"] = Field("lora", exclude_if=_is("lora"))
    """What learns beside head and scales: an adapter, one on a base in 4 bits, or the whole language side."""
    bf16: bool = Field(False, exclude_if=_is(False))
    gradient_checkpointing: bool = Field(False, exclude_if=_is(False))
    accumulation: int = Field(1, ge=1, exclude_if=_is(1))
    """Micro-batches of a step in each process: less memory, the same step."""
    tokens_per_batch: int | None = Field(None, ge=1, exclude_if=_is(None))
    """Micro-batches of pairs of like length, filled up to this many tokens, in place of ``pairs_per_step``."""
    checkpoint_steps: int | None = Field(None, ge=1, exclude_if=_is(None))
    patience: int | None = Field(None, ge=1, exclude_if=_is(None))
    """Validations without a lower loss after which training stops, at the best weights."""
    validation_steps: int = Field(20, ge=1, exclude_if=_is(20))
    explosion: float = Field(10.0, gt=1, exclude_if=_is(10.0))
    """A loss so many times the running mean (or one, if that is larger) is a step to take back."""
    restores: int = Field(5, ge=0, exclude_if=_is(5))
    """Steps taken back before training gives up."""
    snapshot_steps: int = Field(1, ge=1, exclude_if=_is(1))
    """Every how many steps the state to go back to is kept, in the host's memory."""
    processes: int = Field(1, ge=1, exclude_if=_is(1))
    launch: str | None = Field(None, exclude_if=_is(None))
    """An ``accelerate`` configuration file (conf/distributed): training runs in ``processes`` processes of it."""
