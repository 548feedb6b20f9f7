"""Puts what a user needs of a round into one folder: reward model, critic, readout, and a small base model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vlrm.reward.model import RewardModel
from vlrm.reward.scoring import CRITIC_FOLDER

if TYPE_CHECKING:
    from vlrm.policy.protocol import Sampling

COPIED_BASE_BYTES = 200 * 2**20
"""A base model folder up to this size travels with the release; a larger one is named in reward.json."""


def release(
    folder: Path,
    reward_model: Path,
    critic: Path,
    *,
    critiques: int,
    temperature: float,
    template: str,
    sampling: Sampling,
) -> None:
    """Write the released model into ``folder``; ``critiques`` and ``temperature`` were chosen on the gate split.

    ``template`` and ``sampling``: the run's settings of how a critic is asked and its critiques are drawn.
    """
    shutil.copytree(reward_model, folder, dirs_exist_ok=True)
    config = RewardModel.read_config(reward_model).model_copy(
        update={"critiques": critiques, "temperature": temperature, "template": template, "sampling": sampling}
    )
    (folder / "reward.json").write_text(config.model_dump_json(indent=2) + "\n")
    shutil.copytree(critic, folder / CRITIC_FOLDER, dirs_exist_ok=True)
    base = Path(config.base)
    if base.is_dir() and sum(f.stat().st_size for f in base.rglob("*") if f.is_file()) <= COPIED_BASE_BYTES:
        shutil.copytree(base, folder / "base", dirs_exist_ok=True)
