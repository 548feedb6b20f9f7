"""A Kedro node as lineage sees it: its round, its parameters, what it reads and where it writes."""

from __future__ import annotations

import heapq
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlrm.errors import UserError
from vlrm.experts.config import made_of
from vlrm.lineage.code import code_of, code_of_module
from vlrm.lineage.hashing import hash_json, hash_path, plain
from vlrm.lineage.ledger import SETUP, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

CONTROL = frozenset({"experiment", "overwrite", "rounds", "data", "workers"})
"""Parameters that say where and how much to run, not what comes out; they enter no key."""
CONTENT = frozenset({"images", "prompts", "responses", "truth", "reliability"})
"""Parameters that name a user's files; the files' contents enter the key too."""
OPTIONAL = frozenset({"reliability"})
"""Parameters that enter no key while they are null: stages from before they were asked for stay what they are."""
ROUND = re.compile(r"round_(\d+)")


def folder_of(namespace: str | None) -> str:
    """The folder of a node's round: ``round_01.rm_training`` -> ``01``, ``ablation.round_01.x`` ->
    ``ablation/01``."""
    segments = (namespace or "").split(".")
    for place, segment in enumerate(segments):
        if match := ROUND.fullmatch(segment):
            return "/".join([*segments[:place], match[1]])
    return SETUP


def whole_plan(pipeline: Pipeline) -> dict[str, set[str]]:
    """Folder -> names of the nodes that make it whole."""
    whole: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        whole.setdefault(folder_of(node.namespace), set()).add(node.name)
    return whole


class Waiting:
    """The nodes of a run that have not begun, and what each of them still waits for.

    Of those that wait for nothing the one with the least ``rank`` comes first.
    """

    def __init__(self, pipeline: Pipeline, rank: Callable[[Node], Any]) -> None:
        self._needed = {node: set(needed) for node, needed in pipeline.node_dependencies.items()}
        self._readers: dict[Node, list[Node]] = {node: [] for node in self._needed}
        for node, needed in self._needed.items():
            for other in needed:
                self._readers[other].append(node)
        self._order = {node: (rank(node), place) for place, node in enumerate(pipeline.nodes)}
        self._ready = [(self._order[node], node) for node, needed in self._needed.items() if not needed]
        heapq.heapify(self._ready)
        self._left = len(self._needed)

    def __bool__(self) -> bool:
        return self._left > 0

    def next(self) -> Node | None:
        """Take the node to begin with; None when every other waits for one that was begun."""
        if not self._ready:
            return None
        self._left -= 1
        return heapq.heappop(self._ready)[1]

    def done(self, node: Node) -> None:
        for reader in self._readers[node]:
            self._needed[reader].remove(node)
            if not self._needed[reader]:
                heapq.heappush(self._ready, (self._order[reader], reader))


def round_by_round(pipeline: Pipeline) -> list[Node]:
    """The pipeline's nodes with one round done before the next begins, as far as what they read allows."""
    waiting, ordered = Waiting(pipeline, lambda node: _rank(folder_of(node.namespace))), []
    while (node := waiting.next()) is not None:
        ordered.append(node)
        waiting.done(node)
    return ordered


def most_awaited_first(pipeline: Pipeline) -> Waiting:
    """For several nodes at once: those that most others wait for, directly or not, go first."""
    awaiting: dict[Node, set[Node]] = {node: set() for node in pipeline.nodes}
    for node in reversed(pipeline.nodes):
        for needed in pipeline.node_dependencies[node]:
            awaiting[needed] |= awaiting[node] | {node}
    return Waiting(pipeline, lambda node: -len(awaiting[node]))


def _rank(folder: str) -> float:
    return int(folder) if folder.isdigit() else float("inf")


def parameter(catalog: DataCatalog, name: str) -> Any:
    full = f"params:{name}"
    return catalog.load(full) if full in catalog else None


def stage_of(node: Node, catalog: DataCatalog) -> Stage:
    """The node as lineage sees it; nodes must keep every output in a file, or nothing could be skipped
    after it."""
    parameters: dict[str, Any] = {}
    for name in node.inputs:
        if name == "parameters":
            parameters |= {k: _value(k, v) for k, v in catalog.load(name).items() if k not in CONTROL}
        elif name.startswith("params:") and name.removeprefix("params:") not in CONTROL:
            short = name.removeprefix("params:")
            value = catalog.load(name)
            if value is not None or short not in OPTIONAL:
                parameters[short] = _value(short, value)
    if parameters.get("images") is not None and "params:rounds" in node.inputs:
        # a user's files are dealt out among the rounds: another number of them deals otherwise
        parameters["rounds"] = catalog.load("params:rounds")
    inputs = tuple(sorted({n for n in node.inputs if n != "parameters" and not n.startswith("params:")}))
    outputs = {name: _path(name, catalog) for name in node.outputs}
    return Stage(node.name, folder_of(node.namespace), parameters, inputs, outputs, _made_by(node, catalog))


def _made_by(node: Node, catalog: DataCatalog) -> str:
    """Fingerprint of what makes the outputs: the node's code, and the experts and the base model that it is given.

    Parameters name those; what they are can change under the same name. A model of the hub is told by its name alone.
    """
    made = [code_of(node.func)]
    paths: list[Path] = []
    if "params:experts" in node.inputs:
        modules, paths = made_of(catalog.load("params:experts"))
        made += [code_of_module(module) for module in modules]
    if "params:policy" in node.inputs:
        base = plain(catalog.load("params:policy")).get("base")
        paths.append(Path(str(base)).expanduser())
    made += [content for path in paths if (content := hash_path(path)) is not None]
    return made[0] if len(made) == 1 else hash_json(made)[:16]


def check_there(name: str, value: Any) -> None:
    """Refuse a path of a user's that leads nowhere."""
    if not Path(str(value)).expanduser().exists():
        raise UserError(
            f"{name}={value} does not exist: give the path of {'a folder' if name == 'images' else 'a file'}."
        )


def _value(name: str, value: Any) -> Any:
    if name not in CONTENT or value is None:
        return plain(value)
    check_there(name, value)
    return {"path": str(value), "sha256": hash_path(Path(str(value)).expanduser())}


def _path(name: str, catalog: DataCatalog) -> Path:
    dataset = catalog.get(name)
    path = getattr(dataset, "path", None) or getattr(dataset, "_filepath", None)
    if path is None:
        raise UserError(
            f"dataset '{name}' has no file: add it to conf/base/catalog.yml, so that its stage can be resumed."
        )
    return Path(str(path))


def hash_input(name: str, catalog: DataCatalog) -> str:
    path = _path(name, catalog)
    sha = hash_path(path)
    if sha is None:
        raise UserError(
            f"'{name}' ({path}) does not exist yet: run the stages before it first (kedro run --pipelines iterate)."
        )
    return sha


def hash_outputs(stage: Stage) -> dict[str, str]:
    hashes = {name: hash_path(path) for name, path in stage.outputs.items()}
    missing = [str(stage.outputs[name]) for name, sha in hashes.items() if sha is None]
    if missing:
        raise UserError(f"{stage.name} ended without writing {', '.join(missing)}: its node must return every output.")
    return {name: sha for name, sha in hashes.items() if sha is not None}


def relative(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.as_posix()
