"""What a run would do, before it does anything: what is done, what is stale and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vlrm.errors import UserError
from vlrm.lineage.hashing import flatten, hash_path
from vlrm.lineage.ledger import SETUP, Entry, Ledger, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vlrm.lineage.index import Index

State = Literal["done", "restore", "reuse", "run"]
"""done: nothing to do. restore: same key, but an output, or what it also left, is gone. reuse: another experiment
has it. run: do it."""


@dataclass
class Plan:
    states: dict[str, State] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    """For stages that are not done: what changed, at the root of the change."""

    def count(self, *states: State) -> int:
        return sum(state in states for state in self.states.values())


def make_plan(
    stages: Sequence[Stage],
    ledger: Ledger,
    index: Index,
    hash_input: Callable[[str], str],
    overwrite: bool = False,
    lost: Callable[[str], bool] = lambda name: False,
) -> Plan:
    """Walk ``stages`` (in running order), predicting each key from recorded hashes.

    :param hash_input: content hash of a dataset that no stage of this run writes.
    :param lost: whether what a stage left besides its files is gone.
    :raises UserError: when a finished round would be written again and ``overwrite`` is false.
    """
    plan = Plan()
    writers = {name: stage for stage in stages for name in stage.outputs}
    known: dict[str, str] = {}
    for stage in stages:
        for name in stage.inputs:
            if name not in writers and name not in known:
                known[name] = hash_input(name)
        entry = ledger.entry(stage)
        state, hashes = _judge(stage, entry, known, index, overwrite, lost)
        plan.states[stage.name] = state
        known.update(hashes)
        if state == "done":
            continue
        causes = [c for i in stage.inputs if i in writers for c in plan.reasons.get(writers[i].name, [])]
        own = changes(stage, entry, known, overwrite, set(writers))
        plan.reasons[stage.name] = list(dict.fromkeys(causes + own))
        if ledger.sealed(stage.folder) and not overwrite and state != "restore":
            raise UserError(_broken_seal(stage, ledger.experiment, plan.reasons[stage.name]))
    return plan


def _judge(
    stage: Stage,
    entry: Entry | None,
    known: Mapping[str, str],
    index: Index,
    overwrite: bool,
    lost: Callable[[str], bool],
) -> tuple[State, Mapping[str, str]]:
    """The stage's state, and the hashes its outputs will have as far as they are known."""
    if any(name not in known for name in stage.inputs):
        return "run", {}
    key = stage.key(known)
    if entry and entry.key == key and not (overwrite and entry.code != stage.code):
        now = {name: hash_path(path) for name, path in stage.outputs.items()}
        if now == entry.outputs:
            return "restore" if lost(stage.name) else "done", entry.outputs
        if all(sha in (None, entry.outputs.get(name)) for name, sha in now.items()):
            return "restore", entry.outputs
        return "run", {}
    found = index.find(key, stage)
    return ("reuse" if not lost(stage.name) else "run", found.hashes) if found else ("run", {})


def changes(
    stage: Stage, entry: Entry | None, known: Mapping[str, str], overwrite: bool, written: set[str]
) -> list[str]:
    """What differs between a stage and its record, each as "parameter a.b (1 -> 2)"."""
    if entry is None:
        return [f"stage {stage.name} is not part of what was finished"]
    old, new = flatten(entry.parameters), flatten(dict(stage.parameters))
    found = [
        f"parameter {name} changed ({_show(old.get(name, 'unset'))} -> {_show(new.get(name, 'unset'))})"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, "unset") != new.get(name, "unset")
    ]
    for name in sorted(set(stage.inputs) | entry.inputs.keys()):
        was = entry.inputs.get(name)
        if name not in stage.inputs or was is None:
            found.append(f"stage {stage.name} {'now reads' if was is None else 'no longer reads'} {name}")
        # what another stage of this run writes is told by that stage's own change
        elif (name in known and known[name] != was) and name not in written:
            found.append(f"input {name} changed ({was[:8]} -> {known[name][:8]})")
    for name, path in stage.outputs.items():
        sha = hash_path(path)
        was = entry.outputs.get(name)
        if sha is not None and sha != was:
            found.append(f"its file {path} was edited ({(was or 'new')[:8]} -> {sha[:8]})")
    if overwrite and entry.code != stage.code:
        found.append(f"code or model of stage {stage.name} changed")
    return found


def _show(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _broken_seal(stage: Stage, experiment: str, reasons: Sequence[str]) -> str:
    what = "; ".join(reasons[:4]) or f"the inputs of {stage.name} changed"
    if len(reasons) > 4:
        what += f"; and {len(reasons) - 4} more"
    where = f"round {stage.folder}" if stage.folder != SETUP else SETUP
    return (
        f"{where} of experiment '{experiment}' is finished, but {what}: add --params experiment=NAME for a "
        f"new line "
        "that reuses whatever this does not touch, or --params overwrite=true to redo it here."
    )
