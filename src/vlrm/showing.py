"""Shows a run on the terminal: a line for each stage done, and what the stages at work say."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from vlrm.lineage.ledger import SETUP
from vlrm.stages import ROUND
from vlrm.time_left import RunTime, StageTime, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.status import Status

    from vlrm.lineage.ledger import Ledger, Stage
    from vlrm.lineage.plan import Plan

_QUIET_SECONDS = 15.0


class Display:
    """A moving line for the stages at work on a terminal; elsewhere a line now and then."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._working: dict[str, tuple[str, str]] = {}
        self._stage_time: dict[str, StageTime] = {}
        self._run_time: RunTime | None = None
        self._shown = time.monotonic()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the stages at work for the time of the block."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("") as self._status:
            yield
        self._status = None

    def begins(self, stage: Stage, place: str) -> None:
        self._working[stage.name] = label(stage, place), ""
        self._stage_time[stage.name] = StageTime()
        self._shown = time.monotonic()
        self._refresh()

    def says(self, name: str, text: str) -> None:
        """The stage ``name`` at work tells where it is."""
        head, _ = self._working[name]
        left = self._stage_time[name].left(text, time.monotonic())
        text += f" ({said(left)} left)" if left is not None else ""
        self._working[name] = head, escape(text)
        if self._status is not None:
            self._refresh()
        elif time.monotonic() - self._shown >= _QUIET_SECONDS:
            self._shown = time.monotonic()
            self._console.print(f"{head}{_BREAK}{escape(text)}")

    def ends(self, stage: Stage, place: str, what: str, seconds: float | None = None) -> None:
        """``seconds``: how long it took, where it was done now."""
        self._working.pop(stage.name, None)
        self._stage_time.pop(stage.name, None)
        self._refresh()
        left = None
        if self._run_time is not None:
            self._run_time.done(stage.name, seconds)
            left = self._run_time.left()
        rest = f"{_BREAK}[dim]{said(left)} left[/dim]" if left is not None else ""
        self._console.print(f"{label(stage, place)}{_BREAK}[green]{escape(what)}[/green]{rest}")

    def plan(self, plan: Plan, stages: Iterable[Stage], ledger: Ledger, overwrite: bool) -> None:
        """How much is done already, and which of it other code or models did."""
        stages = list(stages)
        waiting = [stage.name for stage in stages if plan.states[stage.name] != "done"]
        timed = {
            stage.name: entry.seconds for stage in stages if (entry := ledger.entry(stage)) and not entry.reused_from
        }
        self._run_time = RunTime(waiting, timed)
        done, total = plan.count("done"), len(plan.states)
        if done:
            end = ": nothing to do" if done == total else ""
            self._console.print(f"{done} of {total} stages already done{end}")
        entries = ((stage, ledger.entry(stage)) for stage in stages if plan.states[stage.name] == "done")
        older = [stage.name for stage, entry in entries if entry and entry.code != stage.code]
        if older and not overwrite:
            names = ", ".join(older[:3]) + (", ..." if len(older) > 3 else "")
            self._console.print(
                f"[yellow]the code or the models of {len(older)} finished stages have changed since ({escape(names)}); "
                "their results stand: --params overwrite=true redoes them[/yellow]"
            )

    def together(self, workers: int) -> None:
        """That many stages run at a time."""
        if self._run_time is not None:
            self._run_time.workers = workers

    def note(self, text: str) -> None:
        self._console.print(f"[yellow]{escape(text)}[/yellow]")

    def _refresh(self) -> None:
        if self._status is not None:
            self._status.update("\n".join(_BREAK.join(line) for line in self._working.values()))


_BREAK = "  "


def label(stage: Stage, place: str) -> str:
    where = SETUP if stage.folder == SETUP else f"round {stage.folder.rpartition('/')[2]}"
    name = ".".join(part for part in stage.name.split(".") if not ROUND.fullmatch(part))
    return f"[dim]{place:>7}[/dim]  {where:<9} {escape(name):<48}"
