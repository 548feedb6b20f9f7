"""How well language alone tells a pair's sides apart: margins of a text-only model trained on other images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from vlrm.evaluation.baselines import text_only_margin
from vlrm.evaluation.bootstrap import image_clusters

if TYPE_CHECKING:
    import pyarrow as pa


def cross_fitted_margins(pairs: pa.Table, tau: float, seed: int) -> dict[str, float]:
    """Pair id -> out-of-fold text-only margin, for pairs with ``q_plus >= tau``; folds keep an image's pairs together.

    The two images of a quad count as one. Pairs are left out when there are too few images to fold.
    """
    frame = pl.DataFrame(pairs.select(["pair_id", "image_sha256", "quad_id", "chosen", "rejected", "q_plus"]))
    sure = frame.filter(pl.col("q_plus") >= tau).sort("pair_id")
    if sure.is_empty():
        return {}
    margins = text_only_margin(sure, image_clusters(sure), seed)
    return {name: float(m) for name, m in zip(sure["pair_id"], margins, strict=True) if math.isfinite(m)}
