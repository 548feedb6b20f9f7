"""Time and memory of the reward head at the ends of steps: ``python -m vlrm_kernels.reward_head.benchmark``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear, silu

from vlrm_kernels import measuring
from vlrm_kernels.reward_head import cost, reward_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

T, N, D, H = 4096, 32, 3584, 64
"""Tokens of a batch of critiques, ends of steps among them, width of a 7B model, units of the head."""


def ways(device: str, T: int = T, N: int = N, D: int = D, H: int = H) -> dict[str, Callable[[], Any]]:
    """Loss and gradients each way."""
    torch.manual_seed(0)
    hidden = torch.randn(T, D, device=device).to(torch.bfloat16).requires_grad_()
    rows = torch.arange(T // N - 1, T, T // N, device=device)
    first = (torch.randn(H, D, device=device) / D**0.5).requires_grad_()
    weights = [first, *(torch.randn(s, device=device).requires_grad_() for s in ((H,), (1, H), (1,)))]

    def head(x: Tensor) -> Tensor:
        return linear(silu(linear(x.float(), weights[0], weights[1])), weights[2], weights[3])[:, 0]

    def step(rewards: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            rewards().square().sum().backward()
            for leaf in (hidden, *weights):
                leaf.grad = None

        return run

    return {
        "this kernel": step(lambda: reward_head(hidden, rows, *weights)),
        "eager, gathered first": step(lambda: head(hidden[rows])),
        "eager, every token": step(lambda: head(hidden)[rows]),
    }


def main() -> None:
    """Measure, print the table and write benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds through all ways, of which the median counts")
    args = parser.parse_args()
    rows = measuring.measured(ways(measuring.device()), args.repeats)
    costs = {c.name: c for c in cost.costs(T, N, D, H)}
    print(measuring.table(rows, costs if measuring.device() == "cuda" else None))
    result = {"setting": {"tokens": T, "rows": N, "width": D, "units": H}, "repeats": args.repeats, "rows": rows}
    print(f"\nwritten to {measuring.write('reward_head', result | measuring.where())}")


if __name__ == "__main__":
    main()
