"""Time of the pairwise margin loss with its metrics and gradient: ``python -m vlrm_kernels.pair_margin.benchmark``.

No speed is claimed for it: a batch of pairs is a few kilobytes. What it saves on a GPU is launches and syncs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import softplus

from vlrm_kernels import measuring
from vlrm_kernels.pair_margin import pair_margin

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (8, 64, 1024)


def eager(pairs: int, device: str) -> Callable[[], Any]:
    """The same loss, gradient and metrics in eager PyTorch."""
    c, r, w, m = torch.rand(4, pairs, device=device)
    c.requires_grad_()
    r.requires_grad_()

    def run() -> Any:
        d = c - r
        pair_loss = (w * softplus(m - d)).sum() / w.sum()
        centring = 0.01 * (c.square().mean() + r.square().mean()) / 2
        (pair_loss + centring).backward()
        c.grad = r.grad = None
        with torch.no_grad():
            both = torch.stack([c, r])
            return (d > 0).float().mean(), d.mean(), c.mean(), r.mean(), both.min(), both.max()

    return run


def fused(pairs: int, device: str) -> Callable[[], Any]:
    """The operator."""
    c, r, w, m = torch.rand(4, pairs, device=device)
    c.requires_grad_()
    r.requires_grad_()

    def run() -> Any:
        out = pair_margin(c, r, w, m, centring=0.01)
        out.loss.backward()
        c.grad = r.grad = None
        return out.metrics

    return run


def main() -> None:
    """Measure, print the table and write benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=101, help="rounds through all ways, of which the median counts")
    args = parser.parse_args()
    device = measuring.device()
    ways: dict[str, Callable[[], Any]] = {}
    for size in SIZES:
        ways |= {f"eager, {size} pairs": eager(size, device), f"operator, {size} pairs": fused(size, device)}
    rows = measuring.measured(ways, args.repeats)
    print(measuring.table(rows))
    result = {"repeats": args.repeats, "rows": rows}
    print(f"\nwritten to {measuring.write('pair_margin', result | measuring.where())}")


if __name__ == "__main__":
    main()
