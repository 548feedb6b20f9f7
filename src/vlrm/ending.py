"""How a command ends: the table of rounds, the arms of an ablation, and where the results are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from rich.console import Console
from rich.markup import escape

from vlrm.evaluation.summary import terminal_table

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

SUMMARY, REPORT, PROMOTION = "iterate_summary", "report", "promotion"
ABLATIONS, ABLATION_REPORT = "ablation_summary", "ablation_report"
QUARANTINE = "round_00.quarantine"
PREFERENCES, ESTIMATE = "preferences", "estimate"
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
            if own := summary.get("own_images"):
                _own_images(console, own, _path(catalog, QUARANTINE))
            _places(console, catalog, summary)
            if ABLATIONS in outputs and catalog.exists(ABLATIONS):
                _ablations(console, catalog)
        elif PREFERENCES in outputs and catalog.exists(PREFERENCES):
            _exported(console, catalog.load(PREFERENCES))
        elif ESTIMATE in outputs and catalog.exists(ESTIMATE):
            _estimated(console, catalog)
        elif folders := sorted({str(Path(path).parent) for name in outputs if (path := _path(catalog, name))}):
            console.print(f"Results are in {', '.join(folders)}")


def _exported(console: Console, folder: Path) -> None:
    """How many pairs were exported, and each file."""
    from vlrm.preferences.export import SUMMARY as EXPORT

    told = json.loads((folder / EXPORT).read_text("utf-8"))
    rounds = ", ".join(f"{count} of round {number}" for number, count in told["by_round"].items())
    console.print(f"Pairs     {told['pairs']} ({rounds})")
    for file in told["files"]:
        console.print(f"File      {folder / file}")
    images = told["images"]
    console.print(f"Images    {folder / images if told['settings']['copy_images'] else images}")


def _estimated(console: Console, catalog: DataCatalog) -> None:
    from vlrm.estimate.extrapolate import Estimate
    from vlrm.estimate.table import estimate_table

    found = Estimate.model_validate(catalog.load(ESTIMATE))
    console.print(estimate_table(found))
    for note in found.notes:
        console.print(escape(note))
    console.print(f"Figures   {_path(catalog, ESTIMATE)}")


def _path(catalog: DataCatalog, name: str) -> Any:
    return getattr(catalog.get(name), "path", None)


def _ablations(console: Console, catalog: DataCatalog) -> None:
    from vlrm.ablation.compare import Ablations
    from vlrm.ablation.summary import arms_table, labels_table, remarks

    found = Ablations.model_validate(catalog.load(ABLATIONS))
    console.print(arms_table(found))
    if labels := labels_table(found.labels):
        console.print(labels)
    for remark in remarks(found):
        console.print(remark)
    console.print(f"Ablation  {_path(catalog, ABLATION_REPORT)}")
    console.print(f"Figures   {_path(catalog, ABLATIONS)}")


def _own_images(console: Console, own: dict[str, Any], quarantine: Any) -> None:
    """What came of the user's files: how many rows were set aside and where they are listed, and any warning."""
    console.print(f"Prompts   {own['prompts']} about {own['images']} images")
    if own["set_aside"]:
        rows = "1 row, with its reason" if own["set_aside"] == 1 else f"{own['set_aside']} rows, each with its reason"
        console.print(f"Set aside {rows}: {quarantine}")
    if own["familiarity"]["warning"]:
        console.print(f"[yellow]Warning   {escape(own['familiarity']['warning'])}[/yellow]")


def _champion(champion: str | None, promotion: dict[str, Any]) -> str:
    """The champion, and where this run did not change it, why."""
    if promotion["promote"]:
        return str(champion)
    why = "; ".join(promotion["reasons"])
    return f"{champion} stays: {why}" if champion else f"none yet: {why}"


def _places(console: Console, catalog: DataCatalog, summary: dict[str, Any]) -> None:
    report, figures = Path(_path(catalog, REPORT)), Path(_path(catalog, SUMMARY))
    store = report.parent.parent / MLFLOW_STORE
    console.print(f"Report    {report}")
    console.print(f"Figures   {figures}")
    console.print(f"MLflow    sqlite:///{store}  (make mlflow)")
    console.print(f"Champion  {_champion(summary['champion'], catalog.load(PROMOTION))}")
    console.print(f"{summary['seconds']:.0f} s, peak memory {summary['peak_memory_mb']:.0f} MB")
