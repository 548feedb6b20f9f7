"""Finds a reward model by what a user calls it: the champion of the registry, or a folder."""

from __future__ import annotations

from pathlib import Path

from vlrm.errors import UserError
from vlrm.registry.settle import NAME
from vlrm.registry.store import CHAMPION, champion, connect


def model_folder(model: str, data: Path) -> Path:
    """The folder of ``model``: ``champion``, in the registry under ``data``, or a folder that training wrote.

    Raises:
        UserError: there is no champion, or no reward model in the folder.
    """
    if model == CHAMPION:
        store = data / "mlflow.db"
        found = None
        if store.exists():
            connect(store, data / "mlartifacts")
            found = champion(NAME)
        if found is None:
            raise UserError(
                f"the registry {store} has no champion yet: kedro run --pipelines iterate proposes one, or name a "
                "folder with --params model=FOLDER (such as data/rounds/default/03/reward_model)"
            )
        return found.folder
    folder = Path(model)
    if not (folder / "reward.json").exists():
        raise UserError(
            f"{folder} holds no reward model (no reward.json): give model=champion, or a folder that training wrote"
        )
    return folder
