"""Functions of the Triton kernels that hold their tails: Triton has no log1p, and its own sigmoid overflows."""
# mypy: disallow-untyped-defs=False
# A kernel's arguments are blocks and pointers: Python's types say nothing of them.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def log1p_exp_minus(x):
    """log(1 + exp(-x)) for x >= 0, exact to rounding: Kahan's correction instead of a log1p (Goldberg 1991, th. 4)."""
    e = tl.exp(-x)
    u = 1.0 + e
    lost = u == 1.0
    return tl.where(lost, e, tl.log(u) * (e / tl.where(lost, 1.0, u - 1.0)))


@triton.jit
def softplus(x):
    """log(1 + exp(x)): no overflow for large x, no underflow to zero before exp(x) itself does."""
    return tl.maximum(x, 0.0) + log1p_exp_minus(tl.abs(x))


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def tanh(x):
    """Hyperbolic tangent: its series near zero, where 1 - exp(-2x) would cancel, else from exp."""
    square = x * x
    series = x * (1.0 + square * (-1.0 / 3 + square * (2.0 / 15 + square * (-17.0 / 315 + square * (62.0 / 2835)))))
    e = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - e) / (1.0 + e)
    return tl.where(tl.abs(x) < 0.25, series, tl.where(x >= 0, far, -far))


@triton.jit
def difference(a, b):
    """a - b and what rounding lost of it (Knuth's two-sum): their sum is exact."""
    s = a - b
    part = s - a
    return s, (a - (s - part)) - (b + part)
