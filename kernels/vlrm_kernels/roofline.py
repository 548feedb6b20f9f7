"""Cost sheets: bytes, operations and the time that a device's bandwidth and arithmetic allow at best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Device:
    """Peak rates of a device, from its data sheet."""

    name: str
    bytes_per_second: float
    operations_per_second: float


H100 = Device("H100 SXM, bf16", 3.35e12, 989e12)
"""NVIDIA's data sheet: HBM3 bandwidth and dense bf16 tensor-core rate."""


@dataclass(frozen=True)
class Cost:
    """What one way of computing something takes: a row of a cost sheet."""

    name: str
    moved: float
    """Bytes read and written in device memory."""
    operations: float
    """Multiplications and additions."""
    launches: int
    """Kernels launched: each costs microseconds of its own, which the roofline leaves out."""
    held: float
    """Bytes of memory beyond inputs and parameters, at the peak."""

    def seconds(self, device: Device = H100) -> float:
        """The roofline: the slower of memory and arithmetic, each at its peak rate. A model, not a measurement."""
        return max(self.moved / device.bytes_per_second, self.operations / device.operations_per_second)


def _bytes(amount: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:.0f} B"


def _seconds(amount: float) -> str:
    return f"{amount * 1e3:.3g} ms" if amount >= 1e-3 else f"{amount * 1e6:.3g} us"


def sheet(costs: Sequence[Cost], device: Device = H100) -> str:
    """The cost sheet as a Markdown table."""
    lines = [
        f"| way | bytes moved | operations | launches | memory held | {device.name}: at best |",
        "|---|---|---|---|---|---|",
    ]
    for cost in costs:
        cells = (_bytes(cost.moved), f"{cost.operations:.3g}", str(cost.launches), _bytes(cost.held))
        lines.append(f"| {cost.name} | {' | '.join(cells)} | {_seconds(cost.seconds(device))} |")
    return "\n".join(lines)


_PICKING = ("index", "index_put", "_index_put_impl", "gather", "scatter_add", "scatter", "index_add", "index_select")
"""Operators that touch some entries of their largest tensor."""


def counted(way: Callable[[], Any]) -> tuple[float, int]:
    """Bytes that PyTorch's operators read and write in ``way`` and how many there are, views left out.

    Counted as eager PyTorch runs them: each reads its inputs from memory and writes its outputs to it, except that of
    a tensor that is picked from or scattered into, only the entries it touches count. On the device "meta" nothing is
    computed.
    """
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Counter(TorchDispatchMode):
        moved, launches = 0.0, 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **kwargs or {})
            name = func._opname.rstrip("_")
            if not func.is_view and name != "detach":
                tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
                sizes = [float(t.numel() * t.element_size()) for t in tensors]
                picked = [size for size in sizes if size < max(sizes)] if name in _PICKING else []
                self.moved += sum(picked) + max(picked) if picked else sum(sizes)
                self.launches += 1
            return result

    with Counter() as counter:
        way()
    return counter.moved, counter.launches
