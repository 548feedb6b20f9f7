"""Pair steps and the scoring of candidates: shared prompts against the padded loop, in time, memory and operations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from interleaved import Figure, seconds, speedup
from training_models import Sizes, rows
from training_padded import PaddedLoop, bradley_terry, gradients
from vlrm.seen import SeenImages
from vlrm_kernels.measuring import peak_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from vlrm.reward.model import RewardModel, Row

EXACT = 1e-4
"""How far the rewards of the two ways may lie apart, or they would not compute the same thing."""


class Ways:
    """The same rewards: ``padded``; ``shared``, each image looked at once; ``cached``, looked at before."""

    def __init__(self, model: RewardModel, given: list[Row]) -> None:
        self.model = model
        self.rows = given
        self.loop = PaddedLoop(model)
        with torch.no_grad():
            apart = (self.padded() - self.shared()).abs().max().item()
        if not apart <= EXACT:
            raise RuntimeError(f"the shared batch's rewards are {apart:.1e} from the padded loop's: nothing to compare")

    def padded(self) -> Tensor:
        return self.loop(self.rows)

    def shared(self) -> Tensor:
        self.model.vlm.seen = SeenImages()
        return self.model(self.rows)

    def cached(self) -> Tensor:
        return self.model(self.rows)

    def step(self, way: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: gradients(self.model, bradley_terry(way()))


def pair_steps(model: RewardModel, sizes: Sizes, repeats: int) -> dict[str, Figure]:
    """Forward and backward of a batch of pairs."""
    short = Ways(model, rows(model, sizes, sizes.pairs, 2, sizes.short, seed=0))
    long = Ways(model, rows(model, sizes, sizes.pairs, 2, sizes.long, seed=1))
    ways = {name: short.step(getattr(short, name)) for name in ("padded", "shared", "cached")}
    taken = seconds(ways, repeats)
    found = {
        "pair_step_speedup_short": speedup(taken, "padded", "shared"),
        "pair_step_speedup_cached_vision": speedup(taken, "padded", "cached"),
    }
    taken = seconds({name: long.step(getattr(long, name)) for name in ("padded", "shared")}, repeats)
    found["pair_step_speedup_long"] = speedup(taken, "padded", "shared")
    return found | {"saved_tensor_ratio": saved_tensors(short), "flop_ratio": operations(short)}


def saved_tensors(ways: Ways) -> Figure:
    """Bytes that a forward pass keeps for its backward pass, weights aside, each storage counted once."""
    weights = {p.untyped_storage().data_ptr() for p in ways.model.parameters()}

    def kept(way: Callable[[], Tensor]) -> int:
        storages: dict[int, Any] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                storages[storage.data_ptr()] = storage  # held, so that no later one can have its address
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = bradley_terry(way())
        size = sum(storage.nbytes() for storage in storages.values())
        gradients(ways.model, loss)
        return size

    return _ratio("bytes", kept(ways.shared), kept(ways.padded))


def operations(ways: Ways) -> Figure:
    """Floating point operations of products and attention in a step, and those of them that the tower takes."""

    def counted(run: Callable[[], Any]) -> int:
        with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
            run()
        return counter.get_total_flops()

    inputs = ways.loop.batch(ways.rows).inputs
    tower = torch.no_grad()(ways.model.backbone.get_image_features)
    looked = counted(lambda: tower(inputs["pixel_values"], inputs["image_grid_thw"]))
    figure = _ratio("operations", counted(ways.step(ways.shared)), counted(ways.step(ways.padded)))
    share = looked / figure.more["operations"]["padded"]
    return Figure(figure.values, figure.more | {"tower_share_of_padded": share})


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Two products of (queries, keys, width) in each head; PyTorch counts those it masks too, and so do these."""
    return 4 * math.prod(query[:3]) * key[2] * query[3]


def _attention_backward_flops(grad: Any, query: Any, key: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Five such products: the scores again, and the gradients of scores, queries, keys and values."""
    return 10 * math.prod(query[:3]) * key[2] * query[3]


CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
"""PyTorch's counter knows the attention of GPUs only and takes that of a CPU for free."""


def scoring(model: RewardModel, sizes: Sizes, repeats: int) -> dict[str, Figure]:
    """Rewards of the candidates of a prompt, without gradients."""
    ways = Ways(model, rows(model, sizes, 1, sizes.candidates, sizes.short, seed=2))
    without = {name: torch.no_grad()(getattr(ways, name)) for name in ("padded", "shared")}
    taken = seconds(without, repeats)
    # Of the padded rows only the forward pass: what the processor takes to make them is not held against them.
    batch = ways.loop.batch(ways.rows)
    peaks = {
        "padded": peak_bytes(torch.no_grad()(lambda: ways.loop.rewards(batch))),
        "shared": peak_bytes(without["shared"]),
    }
    return {
        f"scoring_speedup_k{sizes.candidates}": speedup(taken, "padded", "shared"),
        "scoring_memory_ratio": _ratio("peak_bytes", peaks["shared"], peaks["padded"]),
    }


def _ratio(what: str, shared: int, padded: int) -> Figure:
    return Figure((shared / padded,), {what: {"shared": shared, "padded": padded}})
