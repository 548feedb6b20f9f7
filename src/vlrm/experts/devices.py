"""Which device a network runs on."""

from __future__ import annotations

from vlrm.errors import UserError


def chosen_device(wanted: str = "auto") -> str:
    """``auto``: the first GPU, else the CPU. Otherwise what is wanted, such as cpu, cuda, cuda:1 or mps.

    Raises:
        UserError: that device does not exist here.
    """
    import torch

    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines()[0]
        raise UserError(f"The device {wanted!r} cannot be used ({why}): say device: auto, or cpu.") from error
    return wanted
