"""Cost sheet of the pairwise margin loss, forward and backward: ``python -m vlrm_kernels.pair_margin.cost``."""

from __future__ import annotations

from vlrm_kernels.pair_margin.benchmark import eager
from vlrm_kernels.roofline import Cost, counted, sheet


def costs(B: int = 1024) -> list[Cost]:
    """B pairs of float32 rewards: 16 bytes read and 8 written a pair, and some 60 operations on them."""
    moved, launches = counted(eager(B, "meta"))
    return [
        Cost("this kernel", 24.0 * B, 60.0 * B, 1, 8.0 * B + 36),
        Cost("eager PyTorch", moved, 60.0 * B, launches, 40.0 * B),
    ]


if __name__ == "__main__":
    print(sheet(costs()))
