"""The reward head at given rows as an operator of PyTorch: autograd, ``torch.compile``, and the choice of device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype, runs_triton
from vlrm_kernels.reward_head import reference


def _implementation(hidden: Tensor) -> Any:
    if runs_triton(hidden):
        from vlrm_kernels.reward_head import kernel

        return kernel
    return reference


@torch.library.custom_op(
    "vlrm_kernels::reward_head",
    mutates_args=(),
    schema="(Tensor hidden, Tensor rows, Tensor first, Tensor first_bias, Tensor last, Tensor last_bias)"
    " -> (Tensor, Tensor)",
)
def _forward(hidden: Tensor, rows: Tensor, first: Tensor, first_bias: Tensor, last: Tensor, last_bias: Tensor) -> Any:
    with torch.autocast(hidden.device.type, enabled=False):  # float32, whatever the layers around it run in
        return _implementation(hidden).forward(hidden, rows, first, first_bias, last, last_bias)


@_forward.register_fake
def _(hidden: Tensor, rows: Tensor, first: Tensor, first_bias: Tensor, last: Tensor, last_bias: Tensor) -> Any:
    outer = compute_dtype(hidden)
    return (
        hidden.new_empty((rows.shape[0],), dtype=outer),
        hidden.new_empty((rows.shape[0], first.shape[0]), dtype=outer),
    )


@torch.library.custom_op(
    "vlrm_kernels::reward_head_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor hidden, Tensor rows, Tensor first, Tensor last, Tensor z,"
    " bool need_hidden, bool need_weights) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _gradients(
    grad: Tensor, hidden: Tensor, rows: Tensor, first: Tensor, last: Tensor, z: Tensor,
    need_hidden: bool, need_weights: bool,
) -> Any:  # fmt: skip
    return _implementation(hidden).backward(grad.contiguous(), hidden, rows, first, last, z, need_hidden, need_weights)


@_gradients.register_fake
def _(
    grad: Tensor, hidden: Tensor, rows: Tensor, first: Tensor, last: Tensor, z: Tensor,
    need_hidden: bool, need_weights: bool,
) -> Any:  # fmt: skip
    shapes: Any = (first.shape, last.shape, last.shape, (1,)) if need_weights else ((0,),) * 4
    rows_grad = hidden.new_empty((rows.shape[0], hidden.shape[1]) if need_hidden else (0,))
    return rows_grad, *(z.new_empty(shape) for shape in shapes)


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    hidden, rows, first, first_bias, last, last_bias = inputs
    ctx.save_for_backward(hidden, rows, first, last, output[1])
    ctx.dtypes = [t.dtype for t in (first, first_bias, last, last_bias)]


def _backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if grad is None:
        return (None,) * 6
    hidden, rows, first, last, z = ctx.saved_tensors
    need_hidden, need_weights = ctx.needs_input_grad[0], any(ctx.needs_input_grad[2:])
    rows_grad, *weights = _gradients(grad, hidden, rows, first, last, z, need_hidden, need_weights)
    # index_put sorts before it adds on a CUDA device: repeated rows add up in one order, unlike atomics.
    hidden_grad = torch.zeros_like(hidden).index_put_((rows,), rows_grad, accumulate=True) if need_hidden else None
    cast = [g.to(dtype) if need_weights else None for g, dtype in zip(weights, ctx.dtypes, strict=True)]
    return hidden_grad, None, *cast


_forward.register_autograd(_backward, setup_context=_setup_context)


def reward_head(
    hidden_TD: Tensor,
    rows_N: Tensor,
    first_weight_HD: Tensor,
    first_bias_H: Tensor,
    last_weight_1H: Tensor,
    last_bias_1: Tensor,
) -> Tensor:
    """``last(silu(first(hidden_TD[rows_N])))`` (N,): the head of the reward model where steps of a critique end.

    Only the rows asked for are read: a dense reward costs N rows instead of T. Rows may repeat. float32 out (float64
    for float64), once differentiable in hidden states and weights. Raises :class:`ValueError` for shapes that do not
    fit; a row outside [0, T) is an error of indexing on a CPU and undefined on a GPU, where looking would be a sync.
    """
    hidden, (size, width) = hidden_TD, first_weight_HD.shape
    if hidden.dim() != 2 or hidden.shape[1] != width or last_weight_1H.shape != (1, size) or rows_N.dim() != 1:
        raise ValueError(
            f"reward_head: hidden (T, D), rows (N,), first (H, D) and last (1, H) expected; got {tuple(hidden.shape)}, "
            f"{tuple(rows_N.shape)}, {tuple(first_weight_HD.shape)}, {tuple(last_weight_1H.shape)}"
        )
    if hidden.stride(1) != 1:
        hidden = hidden.contiguous()
    last_H = last_weight_1H.reshape(-1)
    return _forward(hidden, rows_N, first_weight_HD.contiguous(), first_bias_H, last_H, last_bias_1)[0]
