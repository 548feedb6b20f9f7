"""The pairwise margin loss as an operator of PyTorch: autograd, ``torch.compile``, and the choice of device."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype, runs_triton
from vlrm_kernels.pair_margin import reference


class Metrics(NamedTuple):
    """Of one batch, unweighted, each a tensor of no dimension on the rewards' device: reading one is the only sync."""

    pair_loss: Tensor
    """The weighted pair term of the loss."""
    centring: Tensor
    """The centring term of the loss."""
    accuracy: Tensor
    """Share of pairs whose chosen side has the higher reward; a tie is wrong."""
    margin: Tensor
    """Mean of chosen minus rejected."""
    chosen: Tensor
    rejected: Tensor
    minimum: Tensor
    maximum: Tensor


class PairMargin(NamedTuple):
    """A loss to call ``backward`` on, and what to log beside it."""

    loss: Tensor
    metrics: Metrics


@torch.library.custom_op(
    "vlrm_kernels::pair_margin",
    mutates_args=(),
    schema="(Tensor chosen, Tensor rejected, Tensor weight, Tensor margin, bool hinge, float centring)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def _pair_margin(chosen: Tensor, rejected: Tensor, weight: Tensor, margin: Tensor, hinge: bool, centring: float) -> Any:
    if runs_triton(chosen):
        from vlrm_kernels.pair_margin import kernel

        return kernel.pair_margin(chosen, rejected, weight, margin, hinge, centring)
    return reference.pair_margin(chosen, rejected, weight, margin, hinge, centring)


@_pair_margin.register_fake
def _(chosen: Tensor, rejected: Tensor, weight: Tensor, margin: Tensor, hinge: bool, centring: float) -> Any:
    outer = compute_dtype(chosen)
    return (
        chosen.new_empty((), dtype=outer),
        chosen.new_empty((len(reference.METRICS),), dtype=outer),
        chosen.new_empty(chosen.shape),
        rejected.new_empty(rejected.shape),
    )


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[2], output[3])


def _backward(ctx: Any, grad: Tensor | None, *_: Any) -> Any:
    if grad is None:
        return (None,) * 6
    grad_chosen, grad_rejected = ctx.saved_tensors
    return grad * grad_chosen, grad * grad_rejected, None, None, None, None


_pair_margin.register_autograd(_backward, setup_context=_setup_context)


def pair_margin(
    chosen_B: Tensor,
    rejected_B: Tensor,
    weight_B: Tensor,
    margin_B: Tensor,
    *,
    kind: Literal["bradley_terry", "hinge"] = "bradley_terry",
    centring: float = 0.0,
) -> PairMargin:
    """``sum(w * f(m - d)) / sum(w) + centring * mean(r^2)``, ``d = chosen - rejected`` (docs/training.md, The loss).

    ``f`` is softplus (Bradley-Terry) or ``max(x, 0)`` (hinge, slope 0 at the kink); the mean runs over both sides'
    rewards. Inputs are (B,), weights at least zero; when all are zero the pair term is zero. Half precision is
    computed in float32. Once differentiable, in the rewards only: weights and margins are labels. The gradient is
    formed with the loss, in one launch on a CUDA device, without a sync. Raises :class:`ValueError` for an empty batch
    or shapes that differ.
    """
    shapes = {tuple(t.shape) for t in (chosen_B, rejected_B, weight_B, margin_B)}
    if len(shapes) != 1 or chosen_B.dim() != 1 or not chosen_B.numel():
        raise ValueError(f"pair_margin: four tensors of one length, at least one pair, expected; got shapes {shapes}")
    loss, metrics, _, _ = _pair_margin(chosen_B, rejected_B, weight_B, margin_B, kind == "hinge", float(centring))
    return PairMargin(loss, Metrics(*metrics.detach().unbind()))


def pair_margin_loss(chosen_B: Tensor, rejected_B: Tensor, weight_B: Tensor, margin_B: Tensor) -> Tensor:
    """Weighted Bradley-Terry loss with a margin, ``sum(w * softplus(m - d)) / sum(w)``: :func:`pair_margin`'s loss."""
    return pair_margin(chosen_B, rejected_B, weight_B, margin_B).loss
