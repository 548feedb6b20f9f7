"""The MLflow side of the registry: log a reward model with its signature, register it, move the aliases."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema

import vlrm
from vlrm.errors import UserError
from vlrm.registry.names import CHALLENGER, CHAMPION
from vlrm.registry.tracked import EXPERIMENT_TAGS

if TYPE_CHECKING:
    import pandas as pd

    from vlrm.registry.promotion import Decision

ABOUT = (
    "A vision-language reward model: rows of image, question, response in, one reward a row out; higher is better. "
    "`champion` is what to load: `mlflow.pyfunc.load_model('models:/{name}@champion')`. `challenger` is what the "
    "newest run proposed; the tags `gate.*` of its version say what the gate split made of it."
)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("string", name) for name in ("image", "question", "response")]),
    outputs=Schema([ColSpec("double", "reward")]),
)
_PLACES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)  # fmt: skip
_REQUIREMENTS = [
    "torch",
    "torchvision",
    "transformers",
    "peft",
    "safetensors",
    "pillow",
    "pandas",
    "pyarrow",
    "pydantic",
]


@dataclass(frozen=True)
class Registered:
    """A version in the registry. ``folder`` is the reward model's folder inside the logged model."""

    name: str
    version: int
    folder: Path
    manifest: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


def connect(store: Path, artifacts: Path, experiment: str = "vlrm") -> None:
    """Use the SQLite store at ``store``, keeping files under ``artifacts``.

    Raises:
        UserError: another version of MLflow made the store.
    """
    _create(store)
    logging.getLogger("mlflow.store.db.utils").disabled = True  # a traceback of what is raised as well
    mlflow.set_tracking_uri(f"sqlite:///{store.resolve()}")
    try:
        known = mlflow.get_experiment_by_name(experiment)
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        raise UserError(
            f"{store} was made by another version of MLflow: run 'mlflow db upgrade sqlite:///{store}', or move the "
            "file away for a new one (rounds do not need it); then run the same command again."
        ) from error
    here = artifacts.resolve().as_uri()
    if known is None:
        mlflow.create_experiment(experiment, artifact_location=here, tags=EXPERIMENT_TAGS)
    elif known.artifact_location != here:
        _move(store, known.artifact_location, here)
    mlflow.set_experiment(experiment)


def _move(store: Path, old: str, new: str) -> None:
    """Let a store whose folder was moved or copied name its files where they are now; MLflow keeps absolute places."""
    with closing(sqlite3.connect(store, timeout=60)) as file, file:
        for table, column in _PLACES:
            inside = f"{column} = :old OR substr({column}, 1, :length + 1) = :old || '/'"
            file.execute(
                f"UPDATE {table} SET {column} = :new || substr({column}, :length + 1) WHERE {inside}",  # noqa: S608
                {"old": old, "new": new, "length": len(old)},
            )


def _create(store: Path) -> None:
    """Make the store whole under another name first: MLflow cannot use one whose making was killed half-way."""
    if store.exists():
        return
    store.parent.mkdir(parents=True, exist_ok=True)
    new = store.with_name(f".{store.name}.new")
    for stale in (new, new.with_name(f"{new.name}-journal")):
        stale.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{new.resolve()}").search_experiments(max_results=1)
    new.replace(store)


def register(folder: Path, name: str, manifest: str, example: pd.DataFrame) -> Registered:
    """Log ``folder`` as a pyfunc in the active run (or one of its own) and register it as the challenger.

    A version of the same files that is already registered is returned as it is: running twice registers once.

    :param manifest: digest of all files of ``folder``; stands as the tag ``manifest``.
    :param example: one or more rows of image (base64), question, response.
    """
    known = _registered(name, manifest)
    if known is not None:
        _alias(known, CHALLENGER)
        return known
    with nullcontext() if mlflow.active_run() else mlflow.start_run(run_name=f"register {name}"):
        logged = mlflow.pyfunc.log_model(
            name="reward_model",
            python_model=str(Path(__file__).with_name("serving.py")),
            artifacts={"reward_model": str(folder)},
            code_paths=[str(Path(vlrm.__file__).parent)],
            signature=SIGNATURE,
            input_example=example,
            pip_requirements=_REQUIREMENTS,
            metadata={"manifest": manifest},
        )
    made = _create_version(name, logged, {"manifest": manifest})
    version = _version(MlflowClient().get_model_version(name, made.version))
    _alias(version, CHALLENGER)
    return version


def _create_version(name: str, logged: Any, tags: dict[str, str]) -> Any:
    """What ``mlflow.register_model`` does, without its lines on the terminal and with a description of the model."""
    client = MlflowClient()
    try:
        client.create_registered_model(name, description=ABOUT.format(name=name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(name, logged.model_uri, logged.run_id, tags, model_id=logged.model_id)


def champion(name: str) -> Registered | None:
    """The version users load, None when there is none yet."""
    return aliased(name, CHAMPION)


def aliased(name: str, alias: str) -> Registered | None:
    """The version that carries an alias, None when none does.

    Raises:
        UserError: its files are gone.
    """
    try:
        found = MlflowClient().get_model_version_by_alias(name, alias)
    except MlflowException:
        return None
    return _version(found)


def settle(version: Registered, decision: Decision) -> None:
    """Write the gate's decision on the version, and make it the champion if it won."""
    client = MlflowClient()
    for key, value in asdict(decision).items():
        text = f"{value:.4f}" if isinstance(value, float) else "; ".join(value) if key == "reasons" else str(value)
        client.set_model_version_tag(version.name, str(version.version), f"gate.{key}", text)
    verdict = "Promoted" if decision.promote else "Not promoted"
    client.update_model_version(version.name, str(version.version), f"{verdict}: {'; '.join(decision.reasons)}.")
    if decision.promote:
        _alias(version, CHAMPION)


def _alias(version: Registered, alias: str) -> None:
    MlflowClient().set_registered_model_alias(version.name, alias, str(version.version))


def _registered(name: str, manifest: str) -> Registered | None:
    """The version of these files; None when there is none, or none that still has them."""
    for found in MlflowClient().search_model_versions(f"name = '{name}'"):
        if found.tags.get("manifest") == manifest:
            with suppress(UserError):
                return _version(found)
    return None


def _version(found: Any) -> Registered:
    source = str(found.source)
    uri = source if source.startswith("models:/m-") else f"models:/{found.name}/{found.version}"
    try:
        root = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        inside = [path for path in (root / "artifacts").iterdir() if path.is_dir()]
    except (MlflowException, OSError) as error:
        raise UserError(
            f"version {found.version} of {found.name} is registered, but its files are gone ({source}): put them back, "
            "or delete that version (make mlflow, under Models)."
        ) from error
    return Registered(found.name, int(found.version), inside[0], found.tags.get("manifest", ""))
