"""Log-probabilities through an LM head as operators of PyTorch, and their sums or means over sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vlrm_kernels.dispatch import autocast, compute_dtype
from vlrm_kernels.lm_head import chunked

SCORE, FROZEN, TRAINABLE = 0, 1, 2
"""What the backward pass will ask for: nothing, the hidden states' gradient, or the head's too."""


@torch.library.custom_op(
    "vlrm_kernels::linear_logprob",
    mutates_args=(),
    schema="(Tensor hidden, Tensor weight, Tensor targets, Tensor? bias, float softcap, int chunk, int form)"
    " -> (Tensor, Tensor)",
)
def _linear_logprob(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, softcap: float, chunk: int, form: int
) -> Any:
    head = chunked.Head(weight, bias, softcap, chunk)
    if form == FROZEN:
        return chunked.one_pass(head, hidden, targets)
    logp, lse = chunked.score(head, hidden, targets)
    # Outputs of an operator may not share memory.
    return logp.clone(), lse.clone()


@_linear_logprob.register_fake
def _(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, softcap: float, chunk: int, form: int
) -> Any:
    logp = hidden.new_empty((hidden.shape[0],), dtype=compute_dtype(hidden))
    return logp, hidden.new_empty(hidden.shape) if form == FROZEN else torch.empty_like(logp)


@torch.library.custom_op(
    "vlrm_kernels::linear_logprob_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor lse, Tensor hidden, Tensor weight, Tensor targets, Tensor? bias, float softcap,"
    " int chunk, bool need_hidden) -> (Tensor, Tensor, Tensor)",
)
def _gradients(
    grad: Tensor, lse: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, softcap: float,
    chunk: int, need_hidden: bool,
) -> Any:  # fmt: skip
    head = chunked.Head(weight, bias, softcap, chunk)
    return chunked.two_pass_backward(head, hidden, targets, grad.contiguous(), lse, need_hidden)


@_gradients.register_fake
def _(
    grad: Tensor, lse: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None, softcap: float,
    chunk: int, need_hidden: bool,
) -> Any:  # fmt: skip
    return (
        hidden.new_empty(hidden.shape if need_hidden else (0,)),
        weight.new_empty(weight.shape),
        weight.new_empty((0,) if bias is None else bias.shape),
    )


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    hidden, weight, targets, bias, ctx.softcap, ctx.chunk, ctx.form = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # else zeros as large as the bracket are made for it
    if ctx.form == FROZEN:
        ctx.save_for_backward(output[1])
    elif ctx.form == TRAINABLE:
        ctx.save_for_backward(output[1], hidden, weight, targets, bias)


def _backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if ctx.form == SCORE:
        raise RuntimeError("linear_logprob: the scoring form has no gradient; call it through sequence_logprob")
    if grad is None:
        return (None,) * 7
    if ctx.form == FROZEN:
        (bracket_TD,) = ctx.saved_tensors
        return (grad[:, None] * bracket_TD).to(bracket_TD.dtype), None, None, None, None, None, None
    lse, hidden, weight, targets, bias = ctx.saved_tensors
    need_hidden, need_bias = ctx.needs_input_grad[0], bias is not None and ctx.needs_input_grad[3]
    hidden_grad, weight_grad, bias_grad = _gradients(
        grad, lse, hidden, weight, targets, bias, ctx.softcap, ctx.chunk, need_hidden
    )
    return (
        hidden_grad if need_hidden else None,
        weight_grad if ctx.needs_input_grad[1] else None,
        None,
        bias_grad if need_bias else None,
        None,
        None,
        None,
    )


_linear_logprob.register_autograd(_backward, setup_context=_setup_context)


def token_logprob(
    hidden_TD: Tensor,
    weight_VD: Tensor,
    targets_T: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float = 0.0,
    chunk: int | None = None,
) -> Tensor:
    """log p(target) (T,) of ``softmax(hidden weight^T + bias)``, in float32, without the logits (T, V).

    ``softcap`` is Gemma's ``final_logit_softcapping``, ``c * tanh(logits / c)``; 0 is none. A logit scale (Cohere,
    Granite) is a factor on ``hidden``. At most ``chunk`` tokens' logits exist at a time. Once differentiable, in what
    requires a gradient: the form follows (module :mod:`vlrm_kernels.lm_head.chunked`). Targets lie in [0, V). Under
    ``torch.autocast`` the product is in its type, as a linear layer's.
    Raises :class:`ValueError` for shapes or types that do not fit.
    """
    hidden_TD, weight_VD, bias = autocast(hidden_TD, weight_VD, bias)
    T, (V, D) = hidden_TD.shape[0], weight_VD.shape
    if hidden_TD.shape != (T, D) or targets_T.shape != (T,) or (bias is not None and bias.shape != (V,)):
        raise ValueError(
            f"token_logprob: hidden (T, D), weight (V, D), targets (T,) expected; got {tuple(hidden_TD.shape)}, "
            f"{tuple(weight_VD.shape)}, {tuple(targets_T.shape)}"
        )
    if hidden_TD.dtype != weight_VD.dtype:
        raise ValueError(f"token_logprob: hidden states are {hidden_TD.dtype} and the head {weight_VD.dtype}; cast one")
    form = SCORE
    if torch.is_grad_enabled():
        if weight_VD.requires_grad or (bias is not None and bias.requires_grad):
            form = TRAINABLE
        elif hidden_TD.requires_grad:
            form = FROZEN
    size = chunk or chunked.default_chunk(hidden_TD)
    contiguous = hidden_TD.contiguous(), weight_VD.contiguous(), targets_T.contiguous()
    return _linear_logprob(*contiguous, bias, float(softcap), size, form)[0]


def by_sequence(values_T: Tensor, owner_T: Tensor, sequences: int, mean: bool) -> Tensor:
    """Sum or mean of ``values_T`` over the tokens of each sequence (B,); zero for a sequence without tokens.

    Added up in float64 where the device has it, in the order of the tokens: index_put sorts on a CUDA device, where
    index_add would use atomics.
    """
    inner = torch.float32 if values_T.device.type == "mps" else torch.float64
    sums = values_T.new_zeros(sequences, dtype=inner).index_put((owner_T,), values_T.to(inner), accumulate=True)
    if mean:
        ones = torch.ones_like(values_T, dtype=inner)
        sums = sums / torch.zeros_like(sums).index_put((owner_T,), ones, accumulate=True).clamp_min(1)
    return sums.to(values_T.dtype)


def sequence_logprob(
    hidden_TD: Tensor,
    weight_VD: Tensor,
    targets_T: Tensor,
    owner_T: Tensor,
    sequences: int,
    *,
    mean: bool,
    bias: Tensor | None = None,
    softcap: float = 0.0,
    chunk: int | None = None,
) -> Tensor:
    """Sum or mean of log p(target) over each sequence's tokens, (B,) float32: :func:`token_logprob` by ``owner_T``.

    ``owner_T`` names each token's sequence, in [0, sequences), in any order. A sequence without tokens gets zero.
    """
    logp_T = token_logprob(hidden_TD, weight_VD, targets_T, bias=bias, softcap=softcap, chunk=chunk)
    return by_sequence(logp_T, owner_T, sequences, mean)
