"""MLflow tracking: one parent run a `kedro run`, one nested run a round, none when nothing was done."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from vlrm.lineage.hashing import flatten, plain
from vlrm.lineage.ledger import SETUP, TRACELESS
from vlrm.registry.tracked import METRICS, as_csv, is_tracked, note, tracked
from vlrm.stages import folder_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

SUMMARY = "iterate_summary"
_MAX_PARAMETER = 500
"""Characters of a parameter's value that MLflow takes."""
_MAX_METRICS = 1000
"""Figures that MLflow takes at once."""


class TrackingHooks:
    """Follows ``conf/*/mlflow.yml``; a missing file or ``enabled: false`` turns tracking off.

    A node runs inside its round's nested run, so that what it logs itself lands there too. Nodes outside the rounds
    run inside the parent. MLflow is imported when the first node runs, not before.
    """

    def __init__(self) -> None:
        self._settings: dict[str, Any] = {}
        self._project = Path.cwd()
        self._run: dict[str, Any] = {}
        self._parameters: dict[str, Any] = {}
        self._reset()

    def _reset(self) -> None:
        self._parent: str | None = None
        self._children: dict[str, str] = {}
        self._inside: str | None = None
        self._logged: set[str] = set()
        self._files: dict[str, tuple[Path, str]] = {}

    # --- what Kedro calls -----------------------------------------------------------------------

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        self._project = context.project_path
        try:
            self._settings = dict(context.config_loader["mlflow"])
        except Exception as error:
            if type(error).__name__ not in ("MissingConfigException", "KeyError"):
                raise
            self._settings = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._reset()
        self._run = run_params
        names = sorted(name for name in pipeline.inputs() if name.startswith("params:"))
        self._parameters = {name.removeprefix("params:"): plain(catalog.load(name)) for name in names}

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        if self._on and TRACELESS not in node.tags:
            self._enter(folder_of(node.namespace))

    @hook_impl
    def after_node_run(self, node: Node, catalog: DataCatalog, outputs: Mapping[str, Any]) -> None:
        """Log what there is to log of ``outputs``; files are saved after this, and logged at the end.

        ``outputs`` may be read from disk when it is asked for: a node can have run in another process.
        """
        if not self._on:
            return
        if self._parent:
            # Another node may have begun since this one did.
            self._enter(folder_of(node.namespace))
        for name in node.outputs:
            path = getattr(catalog.get(name), "path", None)
            if path is not None and name.endswith(self._ends("log_files")):
                self._files[name] = (path, folder_of(node.namespace))
            if self._parent and (name == SUMMARY or name.endswith(self._ends("log_tables")) or is_tracked(name)):
                self._log_dataset(name, outputs[name])

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        if not self._parent:
            return
        for name in sorted(pipeline.all_outputs()):
            # a round that was taken over from another experiment ran no node here: its figures count all
            # the same
            if METRICS.fullmatch(name) and name not in self._logged and catalog.exists(name):
                self._log_dataset(name, catalog.load(name))
        self._finish("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        if self._parent:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            told = f"{type(error).__name__}: {error}"[:_MAX_PARAMETER]
            with suppress(MlflowException):  # a full disk is what went wrong first, and is told of
                for run_id in {self._parent, self._children.get(self._inside or "", self._parent)}:
                    MlflowClient().set_tag(run_id, "error", told)
                self._finish("FAILED")

    # --- how it is done -------------------------------------------------------------------------

    @property
    def _on(self) -> bool:
        return bool(self._settings.get("enabled"))

    def _ends(self, setting: str) -> tuple[str, ...]:
        return tuple(self._settings.get(setting, ()))

    @property
    def _mlflow(self) -> Any:
        import mlflow

        return mlflow

    def _start(self) -> None:
        from vlrm.registry.store import connect

        mlflow, settings = self._mlflow, self._settings
        store, artifacts = (self._project / settings[name] for name in ("store", "artifacts"))
        connect(store, artifacts, settings["experiment"])
        name = "+".join(self._run.get("pipeline_names") or ["__default__"])
        self._parent = mlflow.start_run(run_name=name).info.run_id
        mlflow.set_tags(
            {"kedro.run_id": str(self._run.get("run_id")), "kedro.env": str(self._run.get("env") or "base")}
        )
        values = {k: str(v)[:_MAX_PARAMETER] for k, v in flatten(self._parameters).items() if k}
        for start in range(0, len(values), 100):  # MLflow takes a hundred at a time
            mlflow.log_params(dict(list(values.items())[start : start + 100]))

    def _enter(self, folder: str) -> None:
        """Make the folder's run the active one, opening parent and child when they are needed first."""
        if self._parent is None:
            self._start()
        if folder == self._inside:
            return
        mlflow = self._mlflow
        self._leave("FINISHED")
        if folder != SETUP:
            if folder in self._children:
                mlflow.start_run(run_id=self._children[folder], nested=True)
            else:
                child = mlflow.start_run(run_name=f"round {folder}", nested=True)
                mlflow.set_tags(
                    {"round": folder, "mlflow.note.content": f"What round {folder} offered, kept and learned."}
                )
                self._children[folder] = child.info.run_id
        self._inside = folder

    def _leave(self, status: str) -> None:
        if self._inside not in (None, SETUP):
            self._mlflow.end_run(status)
        self._inside = None

    def _finish(self, status: str) -> None:
        from mlflow import MlflowClient

        for path, folder in self._files.values():
            if path.exists():
                MlflowClient().log_artifact(self._children.get(folder, self._parent), str(path))
        self._leave(status)
        self._mlflow.end_run(status)
        self._reset()

    def _log_dataset(self, name: str, data: Any) -> None:
        """A round's figures to its run and to the parent, with the round as step; its series and tables to its run."""
        from mlflow import MlflowClient

        client, parent = MlflowClient(), str(self._parent)
        if name == SUMMARY:
            client.set_tag(parent, "mlflow.note.content", note(data))
        own = self._children.get(self._inside or "", parent)
        if name.endswith(self._ends("log_tables")):
            client.log_text(own, as_csv(data), f"{name.rpartition('.')[2]}.csv")
        found = tracked(name, data)
        if found is None:
            return
        figures = [(key, value, found.round) for key, value in found.figures.items()]
        series = [(key, value, step) for key, values in found.series.items() for step, value in values]
        for run_id in dict.fromkeys((parent, self._children.get(f"{found.round:02d}", parent))):
            _log_metrics(run_id, figures + (series if run_id != parent else []))
        self._logged.add(name)


def _log_metrics(run_id: str, metrics: list[tuple[str, float, int]]) -> None:
    """(name, value, step) each, in as few writes as MLflow allows: one a figure takes longer than the evaluation."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    entities = [Metric(name, value, now, step) for name, value, step in metrics]
    for start in range(0, len(entities), _MAX_METRICS):
        MlflowClient().log_batch(run_id, entities[start : start + _MAX_METRICS])
