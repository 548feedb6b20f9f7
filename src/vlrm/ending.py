"""How a command ends: the table of rounds, and where the results are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from rich.console import Console

from vlrm.evaluation.summary import terminal_table

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

SUMMARY, REPORT = "iterate_summary", "report"
MLFLOW_STORE = "mlflow.db"
WIDE = 150
"""Columns of a log file, which no terminal limits: every interval on its round's line."""


class EndingHooks:
    """Prints the ending, also when every stage was already done."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        console = Console(highlight=False, soft_wrap=True)
        if not console.is_terminal:
            console = Console(highlight=False, soft_wrap=True, width=WIDE)
        outputs = pipeline.all_outputs()
        if SUMMARY in outputs and catalog.exists(SUMMARY):
            summary = catalog.load(SUMMARY)
            console.print(terminal_table(summary["rounds"]))
            _places(console, summary, Path(_path(catalog, REPORT)), Path(_path(catalog, SUMMARY)))
        elif folders := sorted({str(Path(path).parent) for name in outputs if (path := _path(catalog, name))}):
            console.print(f"Results are in {', '.join(folders)}")


def _path(catalog: DataCatalog, name: str) -> Any:
    return getattr(catalog.get(name), "path", None)


def _places(console: Console, summary: dict[str, Any], report: Path, figures: Path) -> None:
    store = report.parent.parent / MLFLOW_STORE
    champion = summary["champion"] or "none yet: the gate split did not prefer the challenger (see the report)"
    console.print(f"Report    {report}")
    console.print(f"Figures   {figures}")
    console.print(f"MLflow    sqlite:///{store}  (make mlflow)")
    console.print(f"Champion  {champion}")
    console.print(f"{summary['seconds']:.0f} s, peak memory {summary['peak_memory_mb']:.0f} MB")
