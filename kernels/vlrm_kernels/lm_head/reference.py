"""What a chunk of logits becomes, in plain PyTorch: the reference and the CPU path. And the naive form, for comparison.

All works in place on the one buffer of a chunk's logits, a few rows at a time: on a CPU a fresh buffer costs as much in
page faults as the exponentials do, and the rows stay in a core's cache from the first look to the last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype

ROWS = 8
"""Rows worked on at a time: 1 to 5 MB of logits at 32k to 152k words."""


def naive(hidden_TD: Tensor, weight_VD: Tensor, targets_T: Tensor, bias_V: Tensor | None, softcap: float) -> Tensor:
    """log p(target) (T,) through all the logits (T, V): what everything else here must equal, and must beat."""
    logits = torch.nn.functional.linear(hidden_TD, weight_VD, bias_V).to(compute_dtype(hidden_TD))
    if softcap:
        logits = softcap * torch.tanh(logits / softcap)
    return torch.log_softmax(logits, 1).gather(1, targets_T[:, None])[:, 0]


def _cap(x: Tensor, softcap: float) -> Tensor | None:
    """Soft-cap ``x`` in place; the derivative there."""
    if not softcap:
        return None
    x.div_(softcap).tanh_()
    slope = 1 - x * x
    x.mul_(softcap)
    return slope


def _exponentiate(x_RV: Tensor, targets_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """exp(x - max) in place; its sums, the logsumexp of x and the targets' logits, all (R,)."""
    highest = x_RV.amax(1)
    said = x_RV.gather(1, targets_R[:, None])[:, 0]
    total = x_RV.sub_(highest[:, None]).exp_().sum(1)
    return total, highest + total.log(), said


def read(logits_CV: Tensor, targets_C: Tensor, softcap: float) -> tuple[Tensor, Tensor]:
    """log p(target) and logsumexp (C,) of a chunk's logits, which stay as they are."""
    inner = compute_dtype(logits_CV)
    logp, lse = targets_C.new_empty((2, targets_C.shape[0]), dtype=inner)
    for i in range(0, targets_C.shape[0], ROWS):
        rows = slice(i, i + ROWS)
        x = logits_CV[rows].to(inner, copy=True)
        _cap(x, softcap)
        _, lse[rows], said = _exponentiate(x, targets_C[rows])
        logp[rows] = said - lse[rows]
    return logp, lse


def bracket_(
    logits_CV: Tensor, targets_C: Tensor, softcap: float, grad_C: Tensor | None = None, lse_C: Tensor | None = None
) -> Tensor:
    """log p(target) (C,); the logits become its derivative in them, times ``grad_C`` where given.

    Without a soft cap the derivative is ``onehot(target) - softmax(logits)``. ``lse_C``, of an earlier :func:`read`,
    saves the look for the maximum.
    """
    logp = targets_C.new_empty(targets_C.shape, dtype=compute_dtype(logits_CV))
    for i in range(0, targets_C.shape[0], ROWS):
        rows = slice(i, i + ROWS)
        x, targets = logits_CV[rows].to(logp.dtype), targets_C[rows]
        slope = _cap(x, softcap)
        grad = torch.ones_like(logp[rows]) if grad_C is None else grad_C[rows].to(x.dtype)
        if lse_C is None:
            total, lse, said = _exponentiate(x, targets)
            x.mul_((-grad / total)[:, None])
        else:
            lse, said = lse_C[rows], x.gather(1, targets[:, None])[:, 0]
            x.sub_(lse[:, None]).exp_().mul_(-grad[:, None])
        x.scatter_add_(1, targets[:, None], grad[:, None])
        if slope is not None:
            x.mul_(slope)
        if x.dtype != logits_CV.dtype:
            logits_CV[rows] = x
        logp[rows] = said - lse
    return logp
