"""Finds a reward model by what a user calls it: an alias of the registry, a round, a folder, or a hub name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vlrm.errors import UserError
from vlrm.registry.names import CHALLENGER, CHAMPION, NAME

ROUND = re.compile(r"round_(\d+)")
"""``round_0`` is the zero-shot base model, ``round_3`` what the third round trained."""
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = ("reward.json", "head.safetensors", "language.safetensors", "adapter/*", "base/*", "critic/*")
"""What a reward model is made of, of all that a repository of the hub may hold."""


@dataclass(frozen=True)
class Found:
    """Where a reward model lies, and what it is called: an alias with the version that carries it now."""

    folder: Path
    name: str


def find_model(model: str, data: Path, experiment: str = "default") -> Found:
    """The reward model that ``model`` names.

    Args:
        model: ``champion`` or ``challenger``, in the registry under ``data``; ``round_N``, the model of a round of
            ``experiment``; a folder that training, a release or an export wrote; or the hub name of such a folder.

    Raises:
        UserError: there is no reward model of this name.
    """
    model = str(model)  # a command line's 3 arrives as a number
    if model in (CHAMPION, CHALLENGER):
        return _registered(model, data)
    if of_round := ROUND.fullmatch(model):
        folder = data / "rounds" / experiment / f"{int(of_round[1]):02d}" / "reward_model"
        if not (folder / "reward.json").exists():
            raise UserError(
                f"there is no {model} in experiment '{experiment}' ({folder} holds no reward model): kedro run "
                "--pipelines iterate makes it, and another experiment is named with --params experiment=NAME"
            )
        return Found(folder, model)
    folder = Path(model).expanduser()
    if not folder.exists() and _HUB.fullmatch(model):
        folder = _from_hub(model)
    if not (folder / "reward.json").exists():
        raise UserError(
            f"{folder} holds no reward model (no reward.json): give model=champion, model=round_2, or a folder that "
            "training wrote"
        )
    return Found(folder, model)


def _registered(alias: str, data: Path) -> Found:
    store = data / "mlflow.db"
    found = None
    if store.exists():
        from vlrm.registry.store import aliased, connect

        connect(store, data / "mlartifacts")
        found = aliased(NAME, alias)
    if found is None:
        raise UserError(
            f"the registry {store} has no {alias} yet: kedro run --pipelines iterate proposes one, or name a "
            "folder with --params model=FOLDER (such as data/rounds/default/03/reward_model)"
        )
    return Found(found.folder, f"{alias} (version {found.version})")


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"there is no folder {name}, and it could not be fetched from the hub as a repository of that name "
            f"({str(error).splitlines()[0][:120]}): check the path, or go online with HF_HUB_OFFLINE unset"
        ) from error
