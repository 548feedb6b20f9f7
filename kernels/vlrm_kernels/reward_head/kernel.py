"""The reward head at given rows in Triton: gather, first layer, SiLU and last layer in one kernel; two for backward.

Products are float32 on the ordinary cores ("ieee"): the head is a few million operations, limited by memory, so tensor
cores would gain nothing and cost exactness.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vlrm_kernels.triton_math import sigmoid

BLOCK_N, BLOCK_H, BLOCK_D = 16, 64, 64
WARPS = 4
WEIGHTS_WARPS = 8


@triton.jit
def reward_head_kernel(
    hidden, rows, first, first_bias, last, last_bias, z_out, out,
    N, H, D, stride_t,
    BLOCK_N: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Rewards of BLOCK_N rows; z_out keeps the first layer's output for the backward pass."""
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    here = n < N
    row = tl.load(rows + n, mask=here, other=0).to(tl.int64)
    lanes = tl.arange(0, BLOCK_D)
    reward = tl.zeros((BLOCK_N,), tl.float32)
    for start_h in range(0, H, BLOCK_H):
        h = start_h + tl.arange(0, BLOCK_H)
        acc = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        for start_d in range(0, D, BLOCK_D):
            d = start_d + lanes
            x = tl.load(
                hidden + row[:, None] * stride_t + d[None, :], mask=here[:, None] & (d < D)[None, :], other=0.0
            ).to(tl.float32)
            w = tl.load(first + h[:, None] * D + d[None, :], mask=(h < H)[:, None] & (d < D)[None, :], other=0.0).to(
                tl.float32
            )
            acc = tl.dot(x, tl.trans(w), acc, input_precision="ieee")
        z = acc + tl.load(first_bias + h, mask=h < H, other=0.0).to(tl.float32)[None, :]
        tl.store(z_out + n[:, None] * H + h[None, :], z, mask=here[:, None] & (h < H)[None, :])
        reward += tl.sum(z * sigmoid(z) * tl.load(last + h, mask=h < H, other=0.0).to(tl.float32)[None, :], 1)
    tl.store(out + n, reward + tl.load(last_bias).to(tl.float32), mask=here)


@triton.jit
def _slope(grad, z_in, last, n, h, N, H):
    """Gradient in the first layer's output, (BLOCK_N, BLOCK_H), and the SiLU's value there."""
    inside = (n < N)[:, None] & (h < H)[None, :]
    g = tl.load(grad + n, mask=n < N, other=0.0)
    z = tl.load(z_in + n[:, None] * H + h[None, :], mask=inside, other=0.0)
    gate = sigmoid(z)
    weight = tl.load(last + h, mask=h < H, other=0.0).to(tl.float32)
    return g[:, None] * weight[None, :] * gate * (1.0 + z * (1.0 - gate)), g[:, None] * z * gate


@triton.jit
def reward_head_rows_grad_kernel(
    grad, z_in, first, last, rows_grad,
    N, H, D,
    BLOCK_N: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Gradient of the gathered hidden states, a BLOCK_N x BLOCK_D tile a program."""
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    acc = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    for start_h in range(0, H, BLOCK_H):
        h = start_h + tl.arange(0, BLOCK_H)
        dz, _ = _slope(grad, z_in, last, n, h, N, H)
        w = tl.load(first + h[:, None] * D + d[None, :], mask=(h < H)[:, None] & (d < D)[None, :], other=0.0)
        acc = tl.dot(dz, w.to(tl.float32), acc, input_precision="ieee")
    at = n.to(tl.int64)[:, None] * D + d[None, :]
    tl.store(rows_grad + at, acc, mask=(n < N)[:, None] & (d < D)[None, :])


@triton.jit
def reward_head_weights_grad_kernel(
    grad, z_in, hidden, rows, last, first_grad, first_bias_grad, last_grad, last_bias_grad,
    N, H, D, stride_t,
    BLOCK_N: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Gradients of the weights, a BLOCK_H x BLOCK_D tile a program; one order of the rows, so the same every run."""
    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    h = tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    acc = tl.zeros((BLOCK_H, BLOCK_D), tl.float32)
    bias = tl.zeros((BLOCK_H,), tl.float32)
    final = tl.zeros((BLOCK_H,), tl.float32)
    total = tl.zeros((BLOCK_N,), tl.float32)
    for start_n in range(0, N, BLOCK_N):
        n = start_n + tl.arange(0, BLOCK_N)
        here = n < N
        row = tl.load(rows + n, mask=here, other=0).to(tl.int64)
        dz, value = _slope(grad, z_in, last, n, h, N, H)
        x = tl.load(hidden + row[:, None] * stride_t + d[None, :], mask=here[:, None] & (d < D)[None, :], other=0.0)
        acc = tl.dot(tl.trans(dz), x.to(tl.float32), acc, input_precision="ieee")
        bias += tl.sum(dz, 0)
        final += tl.sum(value, 0)
        total += tl.load(grad + n, mask=here, other=0.0)
    tl.store(first_grad + h[:, None] * D + d[None, :], acc, mask=(h < H)[:, None] & (d < D)[None, :])
    if tl.program_id(0) == 0:
        tl.store(first_bias_grad + h, bias, mask=h < H)
        tl.store(last_grad + h, final, mask=h < H)
        if tl.program_id(1) == 0:
            tl.store(last_bias_grad, tl.sum(total, 0))


def forward(
    hidden_TD: torch.Tensor, rows_N: torch.Tensor, first_HD: torch.Tensor, first_bias_H: torch.Tensor,
    last_H: torch.Tensor, last_bias: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """What :func:`vlrm_kernels.reward_head.reference.forward` returns, from the kernel."""
    (N,), (H, D) = rows_N.shape, first_HD.shape
    out = torch.empty(N, dtype=torch.float32, device=hidden_TD.device)
    z_NH = torch.empty((N, H), dtype=torch.float32, device=hidden_TD.device)
    reward_head_kernel[(triton.cdiv(N, BLOCK_N),)](
        hidden_TD, rows_N, first_HD, first_bias_H, last_H, last_bias, z_NH, out,
        N, H, D, hidden_TD.stride(0),
        BLOCK_N=BLOCK_N, BLOCK_H=BLOCK_H, BLOCK_D=BLOCK_D, num_warps=WARPS,
    )  # fmt: skip
    return out, z_NH


def backward(
    grad_N: torch.Tensor, hidden_TD: torch.Tensor, rows_N: torch.Tensor, first_HD: torch.Tensor, last_H: torch.Tensor,
    z_NH: torch.Tensor, need_hidden: bool, need_weights: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """What :func:`vlrm_kernels.reward_head.reference.backward` returns, from the kernels."""
    (N,), (H, D) = rows_N.shape, first_HD.shape
    blocks = {"BLOCK_N": BLOCK_N, "BLOCK_H": BLOCK_H, "BLOCK_D": BLOCK_D, "num_warps": WARPS}
    rows_grad = hidden_TD.new_empty((N, D) if need_hidden else (0,))
    shapes = ((H, D), (H,), (H,), (1,)) if need_weights else ((0,),) * 4
    weights = [torch.empty(shape, dtype=torch.float32, device=hidden_TD.device) for shape in shapes]
    if need_hidden:
        reward_head_rows_grad_kernel[(triton.cdiv(N, BLOCK_N), triton.cdiv(D, BLOCK_D))](
            grad_N, z_NH, first_HD, last_H, rows_grad, N, H, D, **blocks
        )
    if need_weights:
        reward_head_weights_grad_kernel[(triton.cdiv(D, BLOCK_D), triton.cdiv(H, BLOCK_H))](
            grad_N,
            z_NH,
            hidden_TD,
            rows_N,
            last_H,
            *weights,
            N,
            H,
            D,
            hidden_TD.stride(0),
            **blocks | {"num_warps": WEIGHTS_WARPS},
        )
    return rows_grad, weights[0], weights[1], weights[2], weights[3]
