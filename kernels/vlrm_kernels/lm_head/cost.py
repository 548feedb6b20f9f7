"""Cost sheet of the LM-head margin loss, forward and backward: ``python -m vlrm_kernels.lm_head.cost``."""

from __future__ import annotations

from vlrm_kernels.roofline import Cost, counted, sheet

CHUNK = 1024
KEEP = 1 << 30
SLICE = 8192


def costs(T: int = 32768, V: int = 152064, D: int = 3584, pairs: int = 4) -> list[Cost]:
    """T tokens of answers through a bf16 head V x D (the defaults: Qwen2.5-VL-7B, 4 pairs of 4,096 tokens a side).

    The naive form's bytes and launches are counted from its operators. Ours: every operand of a matrix product once a
    chunk, so the head once a chunk and product; a chunk's logits, in bf16, written by their product, read twice and
    replaced by one kernel, and read by each product after it; the head's gradient, float32, read and written a chunk.
    The pair-by-pair form keeps as much of a pair's logits as fits into 1 GiB and forms the rest again.
    """
    from vlrm_kernels.lm_head.benchmark import Setting, ways

    naive = {n: counted(way) for n, way in ways(Setting(T, V, D, pairs), "meta").items() if n.startswith("naive")}
    n = -(-T // CHUNK)
    product, head, logits, states = 2.0 * T * V * D, 2.0 * V * D, 2.0 * T * V, 2.0 * T * D
    chunk, pair = 2.0 * min(CHUNK, T) * V, 2.0 * T * V / pairs
    # The gradient's slices: each chunk's product writes a bf16 slice, which is read and added to the float32 sum.
    adding = n * (2 * 2.0 + 2 * 4.0) * V * D
    sum_and_copy = (4.0 + 2.0) * V * D
    slices = -(-V // SLICE)
    again = max(0.0, 1 - KEEP / pair)
    # Log-softmax, the gradient that comes to it and the one it makes, in float32, are there together.
    held = 3 * 4.0 * T * V
    splits = -(-V // 1024)
    return [
        Cost("naive, frozen", naive["naive, frozen"][0], 2 * product, naive["naive, frozen"][1], held),
        Cost("one pass, frozen", 5 * logits + 2 * n * head + 5 * states, 2 * product, 3 * n + 2, chunk + states),
        Cost("naive, trainable", naive["naive, trainable"][0], 3 * product, naive["naive, trainable"][1], held),
        Cost(
            "pair by pair, trainable",
            (7 + again) * logits + (2 + again) * n * head + adding + sum_and_copy + 6 * states,
            (3 + again) * product,
            int(n * (4 + again + 2 * slices)) + 40 * pairs,
            max(chunk, min(pair, KEEP)) + sum_and_copy + states,
        ),
        Cost(
            "two passes, trainable",
            5 * logits + 2 * n * head + states * -(-V // 1024) + head + adding + sum_and_copy + 4 * states,
            4 * product,
            n * (3 + 2 * slices) + 6,
            chunk + sum_and_copy + states,
        ),
        Cost("naive scoring", naive["naive scoring"][0], product, naive["naive scoring"][1], 2 * 4.0 * T * V),
        Cost("scoring", head + states * splits, product, 6, 12.0 * T * splits),
    ]


if __name__ == "__main__":
    print(sheet(costs()))
