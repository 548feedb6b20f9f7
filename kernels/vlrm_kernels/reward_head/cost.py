"""Cost sheet of the reward head at given rows, forward and backward: ``python -m vlrm_kernels.reward_head.cost``."""

from __future__ import annotations

from vlrm_kernels.roofline import Cost, counted, sheet


def costs(T: int = 4096, N: int = 32, D: int = 3584, H: int = 64) -> list[Cost]:
    """N ends of steps among T tokens: bf16 hidden states of width D, a float32 head of H units.

    Eager PyTorch's bytes and launches are counted from its operators. All ways write the whole gradient of the hidden
    states (T, D), for autograd wants it whole: it is most of what this kernel moves, and all that it holds.
    """
    from vlrm_kernels.reward_head.benchmark import ways

    rows, states, head, inner = 2.0 * N * D, 2.0 * T * D, 4.0 * H * D, 4.0 * N * H
    eager = {name: counted(way) for name, way in ways("meta", T, N, D, H).items() if name.startswith("eager")}
    product = 2.0 * N * D * H
    first, every = eager["eager, gathered first"], eager["eager, every token"]
    return [
        # Forward reads rows and head and writes z; backward reads both again, writes the rows' and the head's gradient,
        # fills the states' gradient with zeros and adds the rows to it (a sort of N indices and one kernel).
        Cost("this kernel", 6 * rows + 3 * head + 3 * inner + states, 3 * product, 7, states + rows + head + inner),
        Cost("eager, gathered first", first[0], 3 * product, first[1], states + 5 * rows + head + 3 * inner),
        Cost("eager, every token", every[0], 3 * product * T / N, every[1], 5 * states + head + 12.0 * T * H),
    ]


if __name__ == "__main__":
    print(sheet(costs()))
