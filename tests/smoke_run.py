"""``kedro run --pipelines iterate --env smoke``, and what it left in its data folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiny_project import ROOT, kedro_run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ITERATE = ("--pipelines", "iterate", "--env", "smoke", "--params")


@dataclass(frozen=True)
class WholeRun:
    data: Path
    shown: str

    @property
    def rounds(self) -> Path:
        return self.data / "rounds" / "smoke"

    def again(self) -> subprocess.CompletedProcess[str]:
        return iterate(self.data)


def iterate(data: Path) -> subprocess.CompletedProcess[str]:
    """``kedro run --pipelines iterate --env smoke`` into a data folder."""
    return kedro_run(ROOT, *ITERATE, f"data={data}")
