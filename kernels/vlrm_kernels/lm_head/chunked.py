"""The passes over an LM head, a chunk of tokens at a time: no more than one chunk's logits ever exist.

Frozen head: with ``b_t = W_y - softmax(h_t W^T) W`` the gradient of any function of the sequences' log-probabilities
is ``dL/dh_t = dL/ds * b_t``. The bracket does not know the loss, so the forward pass forms it, and the backward pass is
one multiplication: no logits are computed twice. Trainable head: ``dL/dW`` sums over sequences with their factors
inside, so it has to wait for them: the logits are computed again (:func:`two_pass_backward`), or, where the loss
couples only the two sides of a pair, are still there when its factors are known (:mod:`vlrm_kernels.lm_head.pairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype, runs_triton
from vlrm_kernels.lm_head import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE = 8192
"""Words of a half-precision head whose weight gradient is added up in float32 at a time."""

ALIGN = 64
"""Row stride of a logits buffer is a multiple of it, so that a GPU reads any vocabulary in whole vectors."""


def default_chunk(hidden: Tensor) -> int:
    """Tokens a chunk: 1,024 on a GPU, else a twelfth of all, in whole 128, from 128 to 512.

    On a GPU that many keep products limited by arithmetic although each chunk reads the head. On a CPU a product of
    more rows runs faster, and a twelfth of the tokens holds a thirty-sixth of what the naive form does.
    """
    return 1024 if hidden.is_cuda else min(512, max(128, hidden.shape[0] // 12 // 128 * 128))


def default_keep(hidden: Tensor) -> int:
    """Bytes of a pair's logits that are kept until its factors are known: 1 GiB on a GPU, 32 MiB elsewhere."""
    return 1 << 30 if hidden.is_cuda else 1 << 25


class Head:
    """An LM head (V, D) with an optional bias (V,) and soft cap (0: none), read a chunk at a time."""

    def __init__(self, weight_VD: Tensor, bias_V: Tensor | None, softcap: float, chunk: int) -> None:
        self.weight, self.bias, self.softcap, self.chunk = weight_VD, bias_V, softcap, chunk
        self.triton = runs_triton(weight_VD)
        self.form: Any = reference
        if self.triton:
            from vlrm_kernels.lm_head import kernel

            self.form = kernel

    def chunks(self, tokens: int) -> Iterator[slice]:
        return (slice(i, min(i + self.chunk, tokens)) for i in range(0, tokens, self.chunk))

    def buffer(self, tokens: int) -> Tensor:
        """Room for a chunk's logits."""
        words = self.weight.shape[0]
        return self.weight.new_empty((min(self.chunk, tokens), -(-words // ALIGN) * ALIGN))[:, :words]

    def logits(self, hidden_CD: Tensor, buffer: Tensor) -> Tensor:
        out = buffer[: hidden_CD.shape[0]]
        if self.bias is None:
            return torch.mm(hidden_CD, self.weight.T, out=out)
        return torch.addmm(self.bias, hidden_CD, self.weight.T, out=out)


class WeightGradient:
    """The gradient of a head's weight and bias, added up over chunks in float32 whatever the head's type."""

    def __init__(self, head: Head) -> None:
        inner = compute_dtype(head.weight)
        self.dtype = head.weight.dtype
        self.weight = torch.zeros_like(head.weight, dtype=inner, memory_format=torch.contiguous_format)
        self.bias = None if head.bias is None else torch.zeros_like(head.bias, dtype=inner)

    def add(self, bracket_CV: Tensor, hidden_CD: Tensor) -> None:
        if self.weight.dtype == bracket_CV.dtype:
            self.weight.addmm_(bracket_CV.T, hidden_CD)
        else:
            for v in range(0, self.weight.shape[0], SLICE):
                self.weight[v : v + SLICE] += bracket_CV[:, v : v + SLICE].T @ hidden_CD
        if self.bias is not None:
            self.bias += bracket_CV.sum(0, dtype=self.bias.dtype)

    def done(self) -> tuple[Tensor, Tensor]:
        bias = self.weight.new_empty(0) if self.bias is None else self.bias
        return self.weight.to(self.dtype), bias.to(self.dtype)


def score(head: Head, hidden_TD: Tensor, targets_T: Tensor) -> tuple[Tensor, Tensor]:
    """log p(target) and logsumexp (T,)."""
    if head.triton:
        return head.form.linear_logprob(hidden_TD, head.weight, targets_T, head.bias, head.softcap)
    logp, lse = hidden_TD.new_empty((2, hidden_TD.shape[0]), dtype=compute_dtype(hidden_TD))
    buffer = head.buffer(hidden_TD.shape[0])
    for at in head.chunks(hidden_TD.shape[0]):
        logp[at], lse[at] = head.form.read(head.logits(hidden_TD[at], buffer), targets_T[at], head.softcap)
    return logp, lse


def one_pass(head: Head, hidden_TD: Tensor, targets_T: Tensor) -> tuple[Tensor, Tensor]:
    """log p(target) (T,) and its derivative in the hidden states, the bracket (T, D)."""
    logp = hidden_TD.new_empty(hidden_TD.shape[0], dtype=compute_dtype(hidden_TD))
    bracket_TD = hidden_TD.new_empty(hidden_TD.shape)
    buffer = head.buffer(hidden_TD.shape[0])
    for at in head.chunks(hidden_TD.shape[0]):
        logits = head.logits(hidden_TD[at], buffer)
        logp[at] = head.form.bracket_(logits, targets_T[at], head.softcap)
        torch.mm(logits, head.weight, out=bracket_TD[at])
    return logp, bracket_TD


def two_pass_backward(
    head: Head, hidden_TD: Tensor, targets_T: Tensor, grad_T: Tensor, lse_T: Tensor, need_hidden: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of hidden states, weight and bias for ``grad_T`` of log p(target): the logits are formed again."""
    hidden_grad = hidden_TD.new_empty(hidden_TD.shape if need_hidden else (0,))
    weight_grad = WeightGradient(head)
    buffer = head.buffer(hidden_TD.shape[0])
    for at in head.chunks(hidden_TD.shape[0]):
        logits = head.logits(hidden_TD[at], buffer)
        head.form.bracket_(logits, targets_T[at], head.softcap, grad_T[at], lse_T[at])
        if need_hidden:
            torch.mm(logits, head.weight, out=hidden_grad[at])
        weight_grad.add(logits, hidden_TD[at])
    return hidden_grad, *weight_grad.done()
