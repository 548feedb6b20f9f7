"""Compile the kernels for a GPU that is not there: registers, spills, shared memory and vector loads of each.

``python -m vlrm_kernels.ahead_of_time`` prints the table of docs/kernels.md; the tests hold every row to its bounds.
Needs Triton and no driver. Not in a process with ``TRITON_INTERPRET=1``: there is no compiler in it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = (80, 90)
"""A100 and H100."""

_VECTOR_LOAD = re.compile(
    r"ld\.global[\w.:]*\.v[248]|cp\.async\.c[ag]\.shared\.global[^;]*, (?:0x10|16)[,;]|cp\.async\.bulk"
)


@dataclass(frozen=True)
class Build:
    """A kernel and how it is compiled; arguments that ``constants`` does not fix are of the type ``types`` gives."""

    name: str
    kernel: Any
    types: dict[str, str]
    constants: dict[str, Any]
    warps: int = 4
    stages: int = 3
    aligned: tuple[str, ...] = field(default=())
    """Arguments that are multiples of 16, as tensors' addresses and row strides are; pointers always are."""


@dataclass(frozen=True)
class Compiled:
    """What the assembler says of one kernel on one architecture."""

    name: str
    architecture: int
    registers: int
    spills: int
    """Bytes of a thread's registers spilled to memory."""
    shared: int
    """Bytes of shared memory, a program."""
    vector_loads: int


def compiled(build: Build, architecture: int) -> Compiled:
    """Compile ``build`` for ``sm_<architecture>`` and read the assembler's report."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = build.kernel.arg_names
    signature = {n: "constexpr" if n in build.constants else build.types[n] for n in names}
    aligned = [i for i, n in enumerate(names) if signature[n].startswith("*") or n in build.aligned]
    source = ASTSource(
        build.kernel,
        signature=signature,
        constexprs=build.constants,
        attrs={(i,): [["tt.divisibility", 16]] for i in aligned},
    )
    options = {"num_warps": build.warps, "num_stages": build.stages}
    result = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
    registers, spills = _resources(result.asm["cubin"])
    loads = len(_VECTOR_LOAD.findall(result.asm["ptx"]))
    return Compiled(build.name, architecture, registers, spills, result.metadata.shared, loads)


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers and stack of a thread. The kernels hold no arrays, so their stack is what was spilled."""
    import triton

    cuobjdump = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [str(cuobjdump), "-res-usage", str(file)]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    used = re.search(r"REG:(\d+) STACK:(\d+)", report)
    if used is None:
        raise RuntimeError(f"cuobjdump reported no registers: {report}")
    return int(used[1]), int(used[2])


def builds() -> list[Build]:
    """Every kernel at the sizes it is launched with."""
    from vlrm_kernels.lm_head import builds as lm_head
    from vlrm_kernels.pair_margin import builds as pair_margin
    from vlrm_kernels.reward_head import builds as reward_head

    return [*pair_margin.builds(), *reward_head.builds(), *lm_head.builds()]


def main() -> None:
    """Print registers, spills, shared memory and vector loads of every kernel as a Markdown table."""
    print("| kernel | architecture | registers | spilled bytes | shared memory | vector loads |")
    print("|---|---|---|---|---|---|")
    for build in builds():
        for architecture in ARCHITECTURES:
            c = compiled(build, architecture)
            cells = f"sm_{c.architecture} | {c.registers} | {c.spills} | {c.shared / 1024:.0f} KiB | {c.vector_loads}"
            print(f"| {c.name} | {cells} |")


if __name__ == "__main__":
    main()
