"""Opens the base model as ``policy`` says: the same device, precision and pixel budget in every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.devices import device_of, dtype_of
from vlrm.pipelines.settings import Policy, feature_store, image_store

if TYPE_CHECKING:
    from vlrm.vlm import Vlm


def open_vlm(policy: Policy, data: str) -> Vlm:
    """``policy.base`` over the image store of ``data``, freshly loaded."""
    from vlrm.vlm import Vlm

    device = device_of(policy.device)
    features = feature_store(data) if policy.features else None
    return Vlm.load(
        policy.base, image_store(data), dtype_of(policy.dtype, device), features, device=device,
        max_pixels=policy.max_pixels,
    )  # fmt: skip
