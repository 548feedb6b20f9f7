"""The runner of a plain ``kedro run``: it does what is not done, seals rounds, shows progress."""

from __future__ import annotations

import heapq
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.runner import SequentialRunner
from kedro.runner.task import Task
from rich.console import Console
from rich.markup import escape

from vlrm import memory, progress
from vlrm.errors import UserError
from vlrm.lineage.code import code_of
from vlrm.lineage.hashing import hash_path, plain
from vlrm.lineage.index import Index
from vlrm.lineage.ledger import SETUP, TRACELESS, Entry, Ledger, Stage
from vlrm.lineage.plan import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pluggy import PluginManager

CONTROL = frozenset({"experiment", "overwrite", "rounds", "data"})
"""Parameters that say where and how much to run, not what comes out; they enter no key."""
CONTENT = frozenset({"images", "prompts", "responses", "truth", "reliability"})
"""Parameters that name a user's files; the files' contents enter the key too."""
_ROUND = re.compile(r"round_(\d+)")
_QUIET_SECONDS = 15.0


def folder_of(namespace: str | None) -> str:
    """The folder of a node's round: ``round_01.rm_training`` -> ``01``, ``ablation.round_01.x`` ->
    ``ablation/01``."""
    segments = (namespace or "").split(".")
    for place, segment in enumerate(segments):
        if match := _ROUND.fullmatch(segment):
            return "/".join([*segments[:place], match[1]])
    return SETUP


def whole_plan(pipeline: Pipeline) -> dict[str, set[str]]:
    """Folder -> names of the nodes that make it whole."""
    whole: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        whole.setdefault(folder_of(node.namespace), set()).add(node.name)
    return whole


def round_by_round(pipeline: Pipeline) -> list[Node]:
    """The pipeline's nodes with one round done before the next begins, as far as what they read allows."""
    place = {node: (_rank(folder_of(node.namespace)), i) for i, node in enumerate(pipeline.nodes)}
    waiting = {node: set(needed) for node, needed in pipeline.node_dependencies.items()}
    ready = [(place[node], node) for node, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    ordered: list[Node] = []
    while ready:
        _, done = heapq.heappop(ready)
        ordered.append(done)
        for node, needed in waiting.items():
            if done in needed:
                needed.remove(done)
                if not needed:
                    heapq.heappush(ready, (place[node], node))
    return ordered


def _rank(folder: str) -> float:
    return int(folder) if folder.isdigit() else float("inf")


class LineageRunner(SequentialRunner):
    """Runs nodes one after another. Which of them is decided by content hashes, never by times or existence.

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
        self._console = console or Console(highlight=False, soft_wrap=True)

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        if pipeline.nodes and all(TRACELESS in node.tags for node in pipeline.nodes):
            self._run_traceless(pipeline, catalog, hook_manager, run_id)
            return
        control = {name: _parameter(catalog, name) for name in CONTROL}
        experiment, overwrite = str(control["experiment"] or "default"), bool(control["overwrite"])
        rounds = self._project / str(control["data"] or "data") / "rounds"
        whole = whole_plan(self._whole() or pipeline)
        whole |= {folder: names for folder, names in whole_plan(pipeline).items() if folder not in whole}
        with Ledger(rounds / experiment, experiment, self._project).locked(), memory.watching():
            ledger, index = Ledger.open(rounds, experiment, self._project), Index(rounds)
            nodes = round_by_round(pipeline)
            stages = [_stage(node, catalog) for node in nodes]
            plan = make_plan(stages, ledger, index, lambda name: _hash_input(name, catalog), overwrite)
            self._announce(plan, stages, ledger, overwrite)
            for place, (node, stage) in enumerate(zip(nodes, stages, strict=True), start=1):
                run = Task(node, catalog, False, hook_manager, run_id).execute
                self._bring_up_to_date(stage, run, ledger, index, catalog, overwrite, f"{place}/{len(stages)}")
            ledger.seal(whole)

    def _run_traceless(
        self, pipeline: Pipeline, catalog: Any, hook_manager: PluginManager | None, run_id: str | None
    ) -> None:
        """No round is read, locked or written."""
        for node in pipeline.nodes:
            stage = Stage(node.name, folder_of(node.namespace), {}, (), {})
            self._watch(stage, Task(node, catalog, False, hook_manager, run_id).execute, "")

    def _bring_up_to_date(
        self,
        stage: Stage,
        run: Callable[[], Any],
        ledger: Ledger,
        index: Index,
        catalog: DataCatalog,
        overwrite: bool,
        place: str,
    ) -> None:
        inputs = {name: _hash_input(name, catalog) for name in stage.inputs}
        key, entry = stage.key(inputs), ledger.entry(stage)
        same = entry is not None and entry.key == key and not (overwrite and entry.code != stage.code)
        if same and entry and {name: hash_path(path) for name, path in stage.outputs.items()} == entry.outputs:
            return
        sealed = ledger.sealed(stage.folder) and not overwrite
        if sealed and not same:
            raise UserError(
                f"{stage.name} belongs to finished round {stage.folder} of experiment "
                f"'{ledger.experiment}', but a stage "
                "before it gave another result than it did then: add --params experiment=NAME or "
                "overwrite=true."
            )
        if not sealed:
            ledger.forget(stage)
        found = index.find(key, stage)
        started = time.monotonic()
        if found:
            index.take(found, stage)
        else:
            self._watch(stage, run, place)
        hashes = _hash_outputs(stage)
        if sealed and entry and hashes != entry.outputs:
            changed = ", ".join(sorted(name for name, sha in hashes.items() if sha != entry.outputs.get(name)))
            raise UserError(
                f"{changed} of finished round {stage.folder} was missing, and {stage.name} made something "
                f"else in its "
                "place: the code or the machine is not the same; add --params experiment=NAME or "
                "overwrite=true."
            )
        seconds = round(time.monotonic() - started, 3)
        paths = {name: _relative(path, self._project) for name, path in stage.outputs.items()}
        origin = found.experiment if found else None
        parameters = dict(stage.parameters)
        ledger.record(stage, Entry(key, parameters, inputs, hashes, stage.code, seconds, origin, paths))
        index.add(key, stage, ledger.experiment, hashes)
        self._line(stage, place, f"from experiment {origin}" if origin else f"{seconds:.1f} s")

    def _watch(self, stage: Stage, run: Callable[[], Any], place: str) -> None:
        """Run a stage, showing what it says: a moving line on a terminal, a line now and then elsewhere."""
        label = _label(stage, place)
        if self._console.is_terminal:
            with (
                self._console.status(label) as status,
                progress.listening(lambda t: status.update(f"{label}  {escape(t)}")),
            ):
                run()
            return
        shown = time.monotonic()

        def now_and_then(text: str) -> None:
            nonlocal shown
            if time.monotonic() - shown >= _QUIET_SECONDS:
                shown = time.monotonic()
                self._console.print(f"{label}  {escape(text)}")

        with progress.listening(now_and_then):
            run()

    def _line(self, stage: Stage, place: str, what: str) -> None:
        self._console.print(f"{_label(stage, place)}  [green]{escape(what)}[/green]")

    def _announce(self, plan: Plan, stages: Iterable[Stage], ledger: Ledger, overwrite: bool) -> None:
        done, total = plan.count("done"), len(plan.states)
        if done:
            end = ": nothing to do" if done == total else ""
            self._console.print(f"{done} of {total} stages already done{end}")
        entries = ((stage, ledger.entry(stage)) for stage in stages if plan.states[stage.name] == "done")
        older = [stage.name for stage, entry in entries if entry and entry.code != stage.code]
        if older and not overwrite:
            names = ", ".join(older[:3]) + (", ..." if len(older) > 3 else "")
            self._console.print(
                f"[yellow]the code of {len(older)} finished stages has changed since ({escape(names)}); "
                f"their results "
                "stand: --params overwrite=true redoes them[/yellow]"
            )


def _label(stage: Stage, place: str) -> str:
    where = SETUP if stage.folder == SETUP else f"round {stage.folder.rpartition('/')[2]}"
    name = ".".join(part for part in stage.name.split(".") if not _ROUND.fullmatch(part))
    return f"[dim]{place:>7}[/dim]  {where:<9} {escape(name):<48}"


def _parameter(catalog: DataCatalog, name: str) -> Any:
    full = f"params:{name}"
    return catalog.load(full) if full in catalog else None


def _stage(node: Node, catalog: DataCatalog) -> Stage:
    """The node as lineage sees it; nodes must keep every output in a file, or nothing could be skipped
    after it."""
    parameters: dict[str, Any] = {}
    for name in node.inputs:
        if name == "parameters":
            parameters |= {k: _value(k, v) for k, v in catalog.load(name).items() if k not in CONTROL}
        elif name.startswith("params:") and name.removeprefix("params:") not in CONTROL:
            short = name.removeprefix("params:")
            parameters[short] = _value(short, catalog.load(name))
    if parameters.get("images") is not None and "params:rounds" in node.inputs:
        # a user's files are dealt out among the rounds: another number of them deals otherwise
        parameters["rounds"] = catalog.load("params:rounds")
    inputs = tuple(sorted({n for n in node.inputs if n != "parameters" and not n.startswith("params:")}))
    outputs = {name: _path(name, catalog) for name in node.outputs}
    return Stage(node.name, folder_of(node.namespace), parameters, inputs, outputs, code_of(node.func))


def _value(name: str, value: Any) -> Any:
    if name not in CONTENT or value is None:
        return plain(value)
    content = hash_path(Path(str(value)).expanduser())
    if content is None:
        raise UserError(
            f"{name}={value} does not exist: give the path of {'a folder' if name == 'images' else 'a file'}."
        )
    return {"path": str(value), "sha256": content}


def _path(name: str, catalog: DataCatalog) -> Path:
    dataset = catalog.get(name)
    path = getattr(dataset, "path", None) or getattr(dataset, "_filepath", None)
    if path is None:
        raise UserError(
            f"dataset '{name}' has no file: add it to conf/base/catalog.yml, so that its stage can be resumed."
        )
    return Path(str(path))


def _hash_input(name: str, catalog: DataCatalog) -> str:
    path = _path(name, catalog)
    sha = hash_path(path)
    if sha is None:
        raise UserError(
            f"'{name}' ({path}) does not exist yet: run the stages before it first (kedro run --pipelines iterate)."
        )
    return sha


def _hash_outputs(stage: Stage) -> dict[str, str]:
    hashes = {name: hash_path(path) for name, path in stage.outputs.items()}
    missing = [str(stage.outputs[name]) for name, sha in hashes.items() if sha is None]
    if missing:
        raise UserError(f"{stage.name} ended without writing {', '.join(missing)}: its node must return every output.")
    return {name: sha for name, sha in hashes.items() if sha is not None}


def _relative(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.as_posix()


def newest_finished(rounds: Path, experiment: str, project: Path) -> int | None:
    """The number of the newest finished round of an experiment, None when there is none."""
    return Ledger.open(rounds, experiment, project).newest_sealed()
