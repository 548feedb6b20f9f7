"""The runner of a plain ``kedro run``: it does what is not done, seals rounds, shows progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks.manager import _NullPluginManager
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from vlrm import memory, progress
from vlrm.effects import Effects
from vlrm.errors import UserError
from vlrm.lineage.hashing import hash_path
from vlrm.lineage.index import Found, Index
from vlrm.lineage.ledger import HOME, IMPORTS, REGISTERS, SETUP, TRACELESS, Entry, Ledger, Stage
from vlrm.lineage.plan import make_plan
from vlrm.showing import Display
from vlrm.stages import (
    CONTROL,
    folder_of,
    hash_input,
    hash_outputs,
    most_awaited_first,
    parameter,
    relative,
    round_by_round,
    stage_of,
    whole_plan,
)
from vlrm.workers import SUPPORTED, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pluggy import PluginManager
    from rich.console import Console


@dataclass(frozen=True)
class Due:
    """A stage that has to be brought up to date, and what is known of it before."""

    stage: Stage
    inputs: dict[str, str]
    key: str
    entry: Entry | None
    sealed: bool
    found: Found | None
    """The same results in another experiment."""
    place: str
    started: float


class LineageRunner(SequentialRunner):
    """Runs nodes, several at once where they do not wait for each other. Which of them is decided by content hashes,
    never by times or existence.

    The parameter ``workers`` is how many run at once, each in a process of its own (:mod:`vlrm.workers`); 1 runs them
    in this process.

    :param project: the project's folder, where relative data paths start and whose git commit is recorded.
    :param whole: gives the pipeline whose nodes make a round complete; by default the pipeline that runs.
    """

    def __init__(
        self,
        project: Path | None = None,
        whole: Callable[[], Pipeline | None] = lambda: None,
        console: Console | None = None,
        is_async: bool = False,
    ):
        super().__init__(is_async=False)
        self._project = project or Path.cwd()
        self._whole = whole
        self._display = Display(console)

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        run = _Run(self._project, catalog, hook_manager or _NullPluginManager(), run_id, self._display)  # type: ignore[arg-type]
        if pipeline.nodes and all(TRACELESS in node.tags for node in pipeline.nodes):
            with self._display.live():
                for node in pipeline.nodes:
                    run.here(node, Stage(node.name, folder_of(node.namespace), {}, (), {}), "")
            return
        control = {name: parameter(catalog, name) for name in CONTROL}
        experiment, overwrite = str(control["experiment"] or "default"), bool(control["overwrite"])
        data = self._project / str(control["data"] or "data")
        rounds = data / "rounds"
        whole = whole_plan(pipeline)
        if whole.keys() - {SETUP}:  # what makes no part of a round makes none whole
            whole |= whole_plan(self._whole() or pipeline)
        with Ledger(rounds / experiment, experiment, self._project).locked():
            ledger = Ledger.open(rounds, experiment, self._project)
            tagged = [[node.name for node in pipeline.nodes if tag in node.tags] for tag in (IMPORTS, REGISTERS)]
            run.opens(ledger, Index(rounds), Effects(data, *tagged), overwrite, pipeline)
            # No more than there is to do: one stage needs no process of its own, and none needs none.
            workers = min(self._workers(control["workers"]), run.plan.count("restore", "reuse", "run"))
            with self._display.live():
                if workers > 1:
                    run.together(workers)
                else:
                    run.one_by_one()
            ledger.seal(whole)

    def _workers(self, asked: Any) -> int:
        workers = 1 if asked is None else int(asked)
        if workers > 1 and not SUPPORTED:
            self._display.note(f"workers={workers} works on Linux only: stages run one after another here")
            return 1
        return workers


class _Run:
    """One run of a pipeline: what brings its stages up to date, in this process or in workers."""

    ledger: Ledger
    index: Index

    def __init__(
        self, project: Path, catalog: DataCatalog, hooks: PluginManager, run_id: str | None, display: Display
    ) -> None:
        self.project, self.catalog, self.hooks, self.run_id, self.display = project, catalog, hooks, run_id, display

    def opens(self, ledger: Ledger, index: Index, effects: Effects, overwrite: bool, pipeline: Pipeline) -> None:
        """Plan the run, and refuse what would break a seal, before anything is written."""
        self.ledger, self.index, self.effects = ledger, index, effects
        self.overwrite, self.pipeline = overwrite, pipeline
        self.nodes = round_by_round(pipeline)
        self.stages = {node: stage_of(node, self.catalog) for node in self.nodes}
        self.plan = make_plan(
            list(self.stages.values()),
            ledger,
            index,
            lambda name: hash_input(name, self.catalog),
            overwrite,
            effects.lost,
        )
        self.display.plan(self.plan, self.stages.values(), ledger, overwrite)

    def one_by_one(self) -> None:
        with memory.watching():
            for place, node in enumerate(self.nodes, start=1):
                self._here_if_due(node, f"{place}/{len(self.nodes)}")

    def together(self, count: int) -> None:
        """Start what waits for nothing, first what most others wait for; record each as it ends."""
        by_name = {node.name: node for node in self.nodes}
        waiting = most_awaited_first(self.pipeline)
        self.display.together(count)
        at_work: dict[str, Due] = {}
        place = 0
        with (
            Workers(count, lambda name: self._execute(by_name[name], _NullPluginManager())) as workers,
            memory.watching(),
        ):
            while waiting or at_work:
                while workers.idle and (node := waiting.next()) is not None:
                    place += 1
                    where = f"{place}/{len(self.nodes)}"
                    if HOME in node.tags:
                        self._here_if_due(node, where)
                        waiting.done(node)
                        continue
                    due = self._due(self.stages[node], where)
                    if due is None or due.found:
                        self._finish(due)
                        waiting.done(node)
                        continue
                    self.display.begins(due.stage, where)
                    self.hooks.hook.before_node_run(**self._told(node))
                    at_work[node.name] = due
                    workers.start(node.name)
                if at_work:
                    name = workers.next_done(self.display.says)
                    ended = by_name[name]
                    self.hooks.hook.after_node_run(**self._told(ended), outputs=_Saved(ended, self.catalog))
                    self._finish(at_work.pop(name))
                    waiting.done(ended)

    def here(self, node: Node, stage: Stage, place: str) -> None:
        """Run a node in this process."""
        self.display.begins(stage, place)
        with progress.listening(lambda text: self.display.says(stage.name, text)):
            self._execute(node, self.hooks)

    def _here_if_due(self, node: Node, place: str) -> None:
        due = self._due(self.stages[node], place)
        if due and not due.found:
            self.here(node, due.stage, place)
        self._finish(due)

    def _execute(self, node: Node, hooks: Any) -> None:
        memory.keep_freed()
        Task(node, self.catalog, False, hooks, self.run_id).execute()
        memory.give_back()

    def _told(self, node: Node) -> dict[str, Any]:
        """What the hooks, which live in this process, hear of a node that runs in another."""
        return {"node": node, "catalog": self.catalog, "inputs": {}, "is_async": False, "run_id": self.run_id}

    def _due(self, stage: Stage, place: str) -> Due | None:
        """None when the stage's results are there already.

        Raises:
            UserError: they belong to a finished round, and would come out otherwise.
        """
        ledger = self.ledger
        inputs = {name: hash_input(name, self.catalog) for name in stage.inputs}
        key, entry = stage.key(inputs), ledger.entry(stage)
        same = entry is not None and entry.key == key and not (self.overwrite and entry.code != stage.code)
        lost = self.effects.lost(stage.name)
        there = entry and {name: hash_path(path) for name, path in stage.outputs.items()} == entry.outputs
        if same and there and not lost:
            return None
        sealed = ledger.sealed(stage.folder) and not self.overwrite
        if sealed and not same:
            raise UserError(
                f"{stage.name} belongs to finished round {stage.folder} of experiment '{ledger.experiment}', but a "
                "stage before it gave another result than it did then: add --params experiment=NAME or "
                "overwrite=true."
            )
        if not sealed:
            ledger.forget(stage)
        found = None if lost else self.index.find(key, stage)
        return Due(stage, inputs, key, entry, sealed, found, place, time.monotonic())

    def _finish(self, due: Due | None) -> None:
        """Record the results of a stage that ran, or take those of another experiment."""
        if due is None:
            return
        stage, found, entry = due.stage, due.found, due.entry
        if found:
            self.index.take(found, stage)
        hashes = hash_outputs(stage)
        registers = stage.name in self.effects.registering  # the number of a version is another in a new registry
        if due.sealed and entry and hashes != entry.outputs and not registers:
            changed = ", ".join(sorted(name for name, sha in hashes.items() if sha != entry.outputs.get(name)))
            raise UserError(
                f"{changed} of finished round {stage.folder} was missing, and {stage.name} made something else in its "
                "place: the code or the machine is not the same; add --params experiment=NAME or overwrite=true."
            )
        seconds = round(time.monotonic() - due.started, 3)
        paths = {name: relative(path, self.project) for name, path in stage.outputs.items()}
        origin = found.experiment if found else None
        parameters = dict(stage.parameters)
        self.ledger.record(stage, Entry(due.key, parameters, due.inputs, hashes, stage.code, seconds, origin, paths))
        self.index.add(due.key, stage, self.ledger.experiment, hashes)
        if origin:
            self.display.ends(stage, due.place, f"from experiment {origin}")
        else:
            self.display.ends(stage, due.place, f"{seconds:.1f} s", seconds)


class _Saved(Mapping[str, Any]):
    """What a node wrote, read when somebody asks for it."""

    def __init__(self, node: Node, catalog: DataCatalog) -> None:
        self._names, self._catalog = node.outputs, catalog

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._catalog.load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
