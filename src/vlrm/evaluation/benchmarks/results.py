"""Where results of benchmarks lie, and the table that has a row of figures for every judge and benchmark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from vlrm.evaluation.benchmarks.run import JUDGED_FILE
from vlrm.evaluation.measuring.result import Result
from vlrm.evaluation.summary import with_interval
from vlrm.lineage.files import replacing, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vlrm.evaluation.figures import Figure
    from vlrm.evaluation.measuring.result import Comparison

EMBEDDED = "embedded"
FORMATS = ("own", "trl", "ms_swift")
"""Suites that are a file format and no benchmark: results are told apart by the file's name too."""
TABLE, ASKED_FILE = "benchmark.parquet", "run.json"
BESIDE = 5
"""Other judges that stand on a judge's page."""
_HASH = 16
_SHOWN = {
    "accuracy": "accuracy",
    "accuracy_macro": "macro",
    "accuracy_official": "official rule",
    "coverage": "coverage",
    "order_consistency": "same in both orders",
    "acc_plus": "Acc+",
    "yes.f1": "F1 of yes",
    "yes.yes_ratio": "yes-ratio",
    "f_acc": "fAcc",
    "q_acc": "qAcc",
    "blank_accuracy": "blank image",
    "swapped_accuracy": "swapped image",
    "ece_before": "ECE",
}
"""Figures of the terminal's table; all of them are in the JSON file and on the page."""


class Asked(BaseModel):
    """What was asked of a judge: enough to read the same items again. Written beside the judgements."""

    model_config = ConfigDict(extra="forbid")

    suite: str
    label: str
    file: str
    images: str | None
    seed: int
    model: str
    """As the command named it; ``name`` is what it stands for now, such as a version of the champion."""
    name: str
    fingerprint: str
    views: list[str]


@dataclass(frozen=True)
class Place:
    """The folder of all results, ``08_reporting/benchmark`` of the data folder."""

    root: Path

    def judge(self, label: str, fingerprint: str) -> Path:
        """The folder of one judge's item-level results on one benchmark."""
        return self.root / label / fingerprint[:_HASH]

    def judged(self, label: str, fingerprint: str) -> Path:
        return self.judge(label, fingerprint) / JUDGED_FILE

    def figures(self, label: str, name: str) -> Path:
        return self.root / f"{label}.{slug(name)}.json"

    def page(self, *parts: str) -> Path:
        """The page of a benchmark and a judge, or of two judges."""
        return self.root / f"{'.'.join(slug(part) for part in parts)}.html"

    def others(self, result: Result) -> list[Result]:
        """Results of other judges on the same items, the best first, at most :data:`BESIDE`."""
        found = []
        for path in self.root.glob(f"{result.suite}.*.json"):
            try:
                one = Result.model_validate_json(path.read_text("utf-8"))
            except ValidationError:  # a comparison, or of another version
                continue
            if (one.suite, one.items) == (result.suite, result.items) and one.model != result.model:
                found.append(one)
        found.sort(key=lambda one: (-one.figures["accuracy"].value if "accuracy" in one.figures else 0, one.model))
        return found[:BESIDE]

    def asked(self) -> Iterator[Asked]:
        """Of all finished runs, by benchmark and judge."""
        for path in sorted(self.root.glob(f"*/*/{ASKED_FILE}")):
            try:
                yield Asked.model_validate_json(path.read_text("utf-8"))
            except ValidationError:  # of another version: it is written again when its judge is asked again
                continue

    def finished(self, asked: Asked) -> None:
        write_json(self.judge(asked.label, asked.fingerprint) / ASKED_FILE, asked.model_dump())

    def keep(self, result: Result) -> None:
        """Write a result as JSON, and its row into the table in place of an older one of its judge and benchmark."""
        write_json(self.figures(result.suite, result.model), result.model_dump(mode="json"))
        row, path = pl.DataFrame([result.flat()]), self.root / TABLE
        if path.exists():
            same = (pl.col("suite") == result.suite) & (pl.col("model") == result.model)
            row = pl.concat([pl.read_parquet(path).filter(~same), row], how="diagonal_relaxed")
        with replacing(path) as new:
            row.sort("suite", "model").write_parquet(new)


def label_of(suite: str, file: str) -> str:
    """What the results of a benchmark are filed under: its name, with the file's where the suite is but a format, with
    the experiment's where it is a run's own exam (``<experiment>/00/exam.parquet``)."""
    if suite in FORMATS:
        return f"{suite}-{slug(Path(file).stem)}"
    return f"{suite}-{slug(Path(file).absolute().parent.parent.name)}" if suite == EMBEDDED else suite


def slug(name: str) -> str:
    """A judge's name as part of a file's name."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "judge"


def results_table(results: Sequence[Result]) -> Table:
    """The headline figures of judges on one benchmark, and the baselines of the first, in percent with intervals."""
    first = results[0]
    title = f"{first.suite}: {first.judged} of {first.items} items, % (95 % interval)"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    columns = [(one.model, one.figures, one.by_category) for one in results]
    for name, baseline in first.baselines.items():
        known = {"accuracy": baseline.accuracy, "accuracy_macro": baseline.macro}
        columns.append((name.replace("_", " "), {k: v for k, v in known.items() if v}, baseline.by_category))
    for name, _, _ in columns:
        table.add_column(name, justify="right")
    for name, title in _SHOWN.items():
        if any(name in one.figures for one in results):
            table.add_row(title, *(_cell(figures.get(name)) for _, figures, _ in columns))
    for category in first.by_category:
        table.add_row(f"  {category}", *(_cell(categories.get(category)) for _, _, categories in columns))
    return table


def differences_table(found: Comparison) -> Table:
    """Two judges, and the first less the second in points with its interval and the p-value of the paired bootstrap."""
    one, other = found.first, found.second
    table = Table(title=f"{found.suite}: {one.judged} items that both judged, % (95 % interval)", title_justify="left")
    for name in ("", one.model, other.model, "difference", "p"):
        table.add_column(name, justify="right" if name else "left")
    rows = [(title, one.figures, other.figures, found.differences, name) for name, title in _SHOWN.items()]
    rows += [(f"  {name}", one.by_category, other.by_category, found.by_category, name) for name in found.by_category]
    for title, first, second, differences, name in rows:
        if name in differences:
            of = differences[name]
            table.add_row(title, _cell(first[name]), _cell(second[name]), _cell(of.figure), _p(of.p_value))
    told = found.discordant
    table.caption = (
        f"Only {one.model} is right on {told.only_first}, only {other.model} on {told.only_second} (McNemar's exact p "
        f"{_p(told.p_value)})"
    )
    table.caption_justify = "left"
    return table


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _cell(figure: Figure | None) -> str:
    return with_interval(None if figure is None else figure.model_dump())
