"""Registers a round's model as challenger and lets the gate decide whether it becomes the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlrm.registry.names import NAME
from vlrm.registry.promotion import decide
from vlrm.registry.store import champion, connect, register, settle

if TYPE_CHECKING:
    import pandas as pd

Exam = Callable[[Path], Mapping[str, float]]
"""Lets the released model in a folder sit the gate: item id -> 1 ranked right, 0.5 tied, 0 wrong."""


def challenge(
    folder: Path,
    manifest: str,
    store: Path,
    artifacts: Path,
    example: pd.DataFrame,
    gate: Mapping[str, float],
    round_zero: Mapping[str, float],
    groups: Mapping[str, str],
    sit_gate: Exam,
    *,
    verified: bool,
    allow_unverified: bool,
) -> dict[str, Any]:
    """Register ``folder``, compare it on the gate with the champion (with round 0 when there is none), settle.

    Both sit the same exam: a champion of another run is scored afresh by ``sit_gate``.
    """
    connect(store, artifacts)
    before = champion(NAME)
    version = register(folder, NAME, manifest, example)
    if before is not None and before.version != version.version:
        opponent, against = sit_gate(before.folder), f"the champion, version {before.version}"
    else:
        opponent, against = round_zero, "round 0"
    decision = decide(
        gate, opponent, groups, verified=verified, allow_unverified=allow_unverified, opponent=against
    )  # fmt: skip
    settle(version, decision)
    now = champion(NAME)
    return {
        **asdict(decision), "against": against, "challenger_version": version.version,
        "champion_uri": now.uri if now else None, "model": NAME,
    }  # fmt: skip
