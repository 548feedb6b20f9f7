"""What a vision tower makes of images: the processor shows them, those of one size together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from vlrm.images import RefusedImage
from vlrm.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from vlrm.vlm import Vlm


def see(vlm: Vlm, references: Sequence[str]) -> list[Seen]:
    """Features of each image, on the CPU.

    Raises:
        RefusedImage: the processor cannot read one of them.
    """
    shown = [_show(vlm, reference) for reference in references]
    parts = [{name: one[name] for name in vlm.family.pixels if name in one} for one in shown]
    alike = len({tuple(value.shape[1:] for value in part.values()) for part in parts}) == 1
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if alike else None
    seen: list[Seen] = []
    groups = [(shown, whole)] if whole is not None else [([s], p) for s, p in zip(shown, parts, strict=True)]
    for group, pixels in groups:
        seen += _features(vlm, group, pixels)
    return seen


def _show(vlm: Vlm, reference: str) -> Any:
    """What the processor makes of an image."""
    image = vlm.open(reference)
    try:
        return vlm.processor(
            text=[vlm.placeholder], images=[[image]], return_tensors="pt", return_text_replacement_offsets=True
        )
    except (ValueError, ZeroDivisionError) as error:
        budget = "no pixel budget" if vlm.max_pixels is None else f"a budget of {vlm.max_pixels} pixels"
        raise RefusedImage(
            f"the base model's processor refuses image {reference} of {image.width} x {image.height} pixels, under "
            f"{budget} ({str(error).splitlines()[0][:160]}); raise max_pixels, or leave the image out"
        ) from error


def _features(vlm: Vlm, shown: Sequence[Any], pixels: dict[str, Tensor]) -> list[Seen]:
    given = {
        name: value.to(vlm.model.device, vlm.model.dtype if value.is_floating_point() else None)
        for name, value in pixels.items()
    }
    out = vlm.model.get_image_features(**given, return_dict=True)
    texts = ["".join(o["replacement"] for o in one["text_replacement_offsets"][0]) for one in shown]
    tokens = [int((one["input_ids"] == vlm.image_token_id).sum()) for one in shown]
    flat = _flat(out.pooler_output).split(tokens)
    deep = [_flat(layer).split(tokens) for layer in getattr(out, "deepstack_features", None) or ()]
    grids = pixels.get("image_grid_thw")
    return [
        Seen(
            texts[i],
            flat[i].to("cpu", copy=True),  # a GPU's memory is for weights and activations
            tuple(layer[i].to("cpu", copy=True) for layer in deep),
            tuple(grids[i].tolist()) if grids is not None else None,
        )
        for i in range(len(shown))
    ]


def _flat(features: Any) -> Tensor:
    """(T, D) of features that come as a list, one an image, or as (images or tiles, T, D)."""
    whole = torch.cat(tuple(features)) if isinstance(features, (list, tuple)) else features
    return whole.reshape(-1, whole.shape[-1])
