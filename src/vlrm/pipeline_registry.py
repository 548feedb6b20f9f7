"""Kedro asks here for the pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlrm.pipelines import registered

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    return registered()
