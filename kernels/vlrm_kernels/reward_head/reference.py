"""The reward head at given rows in plain PyTorch, with its gradient in closed form: the reference and the CPU path."""

from __future__ import annotations

import torch
from torch import Tensor

from vlrm_kernels.dispatch import compute_dtype


def forward(
    hidden_TD: Tensor, rows_N: Tensor, first_HD: Tensor, first_bias_H: Tensor, last_H: Tensor, last_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Rewards (N,) and the first layer's output before its SiLU (N, H), which the backward pass reads."""
    inner = compute_dtype(hidden_TD)
    x_ND = hidden_TD[rows_N].to(inner)
    z_NH = torch.addmm(first_bias_H.to(inner), x_ND, first_HD.to(inner).T)
    return torch.nn.functional.silu(z_NH) @ last_H.to(inner) + last_bias.to(inner), z_NH


def backward(
    grad_N: Tensor, hidden_TD: Tensor, rows_N: Tensor, first_HD: Tensor, last_H: Tensor, z_NH: Tensor,
    need_hidden: bool, need_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of the gathered rows (N, D), first weight and bias, last weight and bias; empty where not needed."""
    inner = z_NH.dtype
    gate = torch.sigmoid(z_NH)
    dz_NH = grad_N[:, None] * last_H.to(inner) * gate * (1 + z_NH * (1 - gate))
    rows_grad = (dz_NH @ first_HD.to(inner) if need_hidden else z_NH.new_empty(0)).to(hidden_TD.dtype)
    if not need_weights:
        return rows_grad, z_NH.new_empty(0), z_NH.new_empty(0), z_NH.new_empty(0), z_NH.new_empty(0)
    x_ND = hidden_TD[rows_N].to(inner)
    return rows_grad, dz_NH.T @ x_ND, dz_NH.sum(0), grad_N @ (z_NH * gate), grad_N.sum().reshape(1)
