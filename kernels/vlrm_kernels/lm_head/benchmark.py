"""Time and peak memory of the LM-head kernels against the naive form: ``python -m vlrm_kernels.lm_head.benchmark``.

On a CPU the plain PyTorch paths, float32; on a GPU the kernels, bf16, at the size of a 7B model. Liger-Kernel's
preference loss is measured beside them where ``liger-kernel`` is installed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from vlrm_kernels import measuring
from vlrm_kernels.lm_head import cost
from vlrm_kernels.lm_head.operator import by_sequence, sequence_logprob
from vlrm_kernels.lm_head.pairs import logprob_margin_loss
from vlrm_kernels.lm_head.reference import naive
from vlrm_kernels.measuring import peak_bytes
from vlrm_kernels.pair_margin import pair_margin

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["Setting", "peak_bytes", "ratios", "ways"]


@dataclass(frozen=True)
class Setting:
    """A batch of pairs: ``tokens`` of answers in equal sequences, a head of ``words`` x ``width``."""

    tokens: int
    words: int
    width: int
    pairs: int


CPU = Setting(tokens=1536, words=32000, width=512, pairs=4)
"""Logits of 187.5 MiB in float32."""

GPU = Setting(tokens=4096, words=152064, width=3584, pairs=4)
"""Qwen2.5-VL-7B's head."""


def ways(setting: Setting, device: str, chunk: int | None = None) -> dict[str, Callable[[], Any]]:
    """Loss and gradients each way; scoring without gradients. float32 on a CPU, else bf16."""
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    hidden = torch.randn(setting.tokens, setting.width, device=device, dtype=dtype, requires_grad=True)
    frozen = (torch.randn(setting.words, setting.width, device=device) / setting.width**0.5).to(dtype)
    trainable = frozen.clone().requires_grad_()
    targets = torch.randint(0, setting.words, (setting.tokens,), device=device)
    sequences = 2 * setting.pairs
    owner = torch.arange(setting.tokens, device=device) * sequences // setting.tokens
    weight, margin = torch.ones(setting.pairs, device=device), torch.full((setting.pairs,), 0.25, device=device)

    def step(loss: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            loss().backward()
            hidden.grad = trainable.grad = None

        return run

    def scoring(score: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return torch.no_grad()(score)

    def by_hand(head: Tensor) -> Tensor:
        return by_sequence(naive(hidden, head, targets, None, 0.0), owner, sequences, mean=True)

    def fused(head: Tensor) -> Tensor:
        return sequence_logprob(hidden, head, targets, owner, sequences, mean=True, chunk=chunk)

    def margins(rewards: Tensor) -> Tensor:
        return pair_margin(rewards[::2], rewards[1::2], weight, margin).loss

    def pairs(head: Tensor) -> Tensor:
        return logprob_margin_loss(hidden, head, targets, owner, weight, margin, chunk=chunk).loss

    made: dict[str, Callable[[], Any]] = {
        "naive, frozen": step(lambda: margins(by_hand(frozen))),
        "one pass, frozen": step(lambda: pairs(frozen)),
        "naive, trainable": step(lambda: margins(by_hand(trainable))),
        "pair by pair, trainable": step(lambda: pairs(trainable)),
        "two passes, trainable": step(lambda: margins(fused(trainable))),
        "naive scoring": scoring(lambda: by_hand(frozen)),
        "scoring": scoring(lambda: fused(frozen)),
    }
    if find_spec("liger_kernel"):
        made |= {
            f"Liger, {n}": step(_liger(hidden, w, targets, setting))
            for n, w in (("frozen", frozen), ("trainable", trainable))
        }
    return made


def _liger(hidden: Tensor, head: Tensor, targets: Tensor, setting: Setting) -> Callable[[], Tensor]:
    """The same loss by Liger's SimPO, whose formula it is with equal weights and one margin: chosen sides first."""
    from liger_kernel.chunked_loss import LigerFusedLinearSimPOLoss

    loss = LigerFusedLinearSimPOLoss(beta=1.0, alpha=0.0, compute_nll_loss=False, compiled=False, gamma=0.25)

    def sides(t: Tensor) -> Tensor:
        each = t.reshape(setting.pairs, 2, setting.tokens // (2 * setting.pairs), *t.shape[1:])
        return each.transpose(0, 1).flatten(0, 1)

    return lambda: loss(head, sides(hidden), sides(targets))[0]


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the project's bounds: memory and time over the naive form's; the worst form's time."""
    by = {row["way"]: row for row in rows}

    def over(way: str, base: str, figure: str) -> float:
        return by[way][figure] / by[base][figure]

    frozen, trainable = ("one pass, frozen", "naive, frozen"), ("pair by pair, trainable", "naive, trainable")
    return {
        "lm_head_memory_ratio_frozen": over(*frozen, "peak_bytes"),
        "lm_head_memory_ratio_trainable": over(*trainable, "peak_bytes"),
        "lm_head_time_ratio_frozen": over(*frozen, "seconds"),
        "lm_head_time_ratio_trainable": over(*trainable, "seconds"),
        "lm_head_time_ratio": max(over(*frozen, "seconds"), over(*trainable, "seconds")),
    }


def main() -> None:
    """Measure, print the table and the ratios as one JSON line, and write benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds through all ways, of which the median counts")
    parser.add_argument("--width", type=int, help="width of the hidden states instead of the setting's")
    parser.add_argument("--chunk", type=int, help="tokens a chunk instead of the default")
    args = parser.parse_args()
    setting = GPU if measuring.device() == "cuda" else CPU
    if args.width:
        setting = Setting(setting.tokens, setting.words, args.width, setting.pairs)
    rows = measuring.measured(ways(setting, measuring.device(), args.chunk), args.repeats)
    costs = {c.name: c for c in cost.costs(setting.tokens, setting.words, setting.width, setting.pairs)}
    print(measuring.table(rows, costs if measuring.device() == "cuda" else None))
    result = {
        "setting": asdict(setting),
        "chunk": args.chunk,
        "repeats": args.repeats,
        "rows": rows,
        "ratios": ratios(rows),
    }
    changed = [f"{k}{v}" for k, v in (("width", args.width), ("chunk", args.chunk)) if v]
    name = "_".join(["lm_head", *changed])
    print(f"\nwritten to {measuring.write(name, result | measuring.where())}")
    print(json.dumps(result["ratios"]))


if __name__ == "__main__":
    main()
