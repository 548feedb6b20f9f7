"""What MLflow gets of a round's documents and tables, under which names: a section of its page for each topic."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv

from vlrm.evaluation.summary import BY_EVIDENCE, SUMMARY, with_interval
from vlrm.lineage.hashing import flatten, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXPERIMENT_TAGS = {
    "mlflow.note.content": (
        "One run a `kedro run` that did something, and inside it one run a round. Figures have the round as their step."
    ),
    "mlflow.experimentKind": "custom_model_development",
}
"""Description of the experiment, and which of its pages MLflow opens: training runs, not traces."""
METRICS = re.compile(r"metrics_(\d+)")
"""A round's figures; the number is the round's."""
ABLATIONS = "ablation_summary"
TRAINING = "summary_training"
_INSIDE = re.compile(r"round_(\d+)\.(\w+)")
_SECTIONS = {
    "blank_image": "controls",
    "swapped_image": "controls",
    "critique": "critiques",
    "majority_verdict": "critiques",
    "verdict_flip": "critiques",
    "plain_": "critiques",
    "reasoning_": "consistency",
    "experts_": "experts",
    "ece_": "calibration",
    "kind_": "kind",
    "part_": "part",
    "prior_": "part",
    "unseen_": "part",
    "source_": "source",
    "edited_": "source",
    "quad_member": "source",
}
"""How a figure's name begins -> its section; the headline figures stand before all sections."""
_GROUPS = ("kind_", "part_", "source_")


@dataclass(frozen=True)
class Tracked:
    """``figures``: one value a round. ``series``: one value a training step."""

    round: int
    figures: dict[str, float] = field(default_factory=dict)
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def is_tracked(name: str) -> bool:
    """Whether :func:`tracked` finds something in datasets of this name."""
    inside = _INSIDE.fullmatch(name)
    return (
        bool(METRICS.fullmatch(name))
        or name == ABLATIONS
        or (inside is not None and (inside[2] == TRAINING or inside[2] in _COUNTS))
    )


def tracked(name: str, data: Any) -> Tracked | None:
    """What there is to track in the dataset ``name``; None when nothing."""
    if match := METRICS.fullmatch(name):
        return Tracked(int(match[1]), _figures(data) if "figures" in data else numbers(data))
    if name == ABLATIONS:
        found = plain(data)
        return Tracked(found["rounds"], _arms(found))
    match = _INSIDE.fullmatch(name)
    if match is None:
        return None
    number, what = int(match[1]), match[2]
    if what == TRAINING:
        return Tracked(number, series=_training(data))
    return Tracked(number, _COUNTS[what](data)) if what in _COUNTS else None


def numbers(data: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a nested document under names MLflow accepts; booleans, texts and nulls are left out."""
    return {
        re.sub(r"[^\w\-./: ]", "_", prefix + key): float(value)
        for key, value in flatten(plain(data)).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def as_csv(table: pa.Table) -> str:
    """The table as MLflow's page can show it."""
    stream = io.BytesIO()
    pa.csv.write_csv(table, stream)
    return stream.getvalue().decode()


def note(summary: Mapping[str, Any]) -> str:
    """The rounds of a run as a Markdown table, for the run's page."""
    names = [name for name in SUMMARY if any(one.get(name) for one in summary["rounds"])]
    titles = ["round", "pairs offered", "kept", *(name.removesuffix("_accuracy").replace("_", " ") for name in names)]
    lines = [titles, ["---:"] * len(titles)]
    for one in summary["rounds"]:
        figures = [with_interval(one.get(name)) for name in names]
        lines.append([str(one["round"]), str(one["pairs_offered"]), str(one["pairs_kept"]), *figures])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    champion = summary["champion"] or "none yet"
    return f"Report split, % (95 % interval). Champion: {champion}. The whole report is under Artifacts.\n\n{table}\n"


def _figures(data: Mapping[str, Any]) -> dict[str, float]:
    """The headline figures and their intervals, the others in their sections."""
    named = {_placed(name): float(value) for name, value in data["figures"].items()}
    for name in SUMMARY:
        figure = data.get("metrics", {}).get("figures", {}).get(name)
        if figure is not None:
            named |= {f"intervals/{name} {bound}": float(figure[bound]) for bound in ("low", "high")}
    return named


def _arms(found: Mapping[str, Any]) -> dict[str, float]:
    """The headline figures of every arm of an ablation, and how much of the gap to exact labels is recovered."""
    named = {
        f"ablation {arm['name']}/{name}": float(figure["value"])
        for arm in found["arms"]
        for name, figure in arm["figures"].items()
        if name in (*SUMMARY, *BY_EVIDENCE) and figure is not None
    }
    gaps = {name: figure for name, figure in found["gap_recovered"].items() if figure is not None}
    return named | {f"gap recovered/{name}": float(figure["value"]) for name, figure in gaps.items()}


def _placed(name: str) -> str:
    if name in SUMMARY:
        return name
    start = next((start for start in _SECTIONS if name.startswith(start)), None)
    if start is None:
        return f"other/{name}"
    return f"{_SECTIONS[start]}/{name.removeprefix(start) if start in _GROUPS else name}"


def _pairs(waterfall: pa.Table) -> dict[str, float]:
    """Pairs offered and kept, and how many each test refused, all sources together."""
    counts: dict[str, float] = {}
    for row in waterfall.to_pylist():
        test = row["test"]
        name = f"pairs/{test}" if test in ("offered", "kept") else f"pairs refused/{test}"
        counts[name] = counts.get(name, 0.0) + (row["left"] if test in ("offered", "kept") else row["refused"])
    return counts


def _experts(report: Mapping[str, Any]) -> dict[str, float]:
    """Precision and recall of objects and of each attribute; the labels one by one stand in the round's folder."""
    # Measured on photos there are only objects, all labels together.
    parts = {"objects": report["all"]} if "all" in report else {"objects": report["objects"], **report["attributes"]}
    return {
        f"expert reliability/{part} {figure}": float(rates[figure])
        for part, rates in parts.items()
        for figure in ("precision", "recall")
        if rates.get(figure) is not None
    }


def _hallucinated(rates: pa.Table) -> dict[str, float]:
    """The share of claims that evidence contradicts, in all candidates and in both sides of kept pairs."""
    counts: dict[str, list[int]] = {}
    for row in rates.select(["where", "said", "false"]).to_pylist():
        said = counts.setdefault(row["where"], [0, 0])
        said[0], said[1] = said[0] + row["said"], said[1] + row["false"]
    return {f"hallucinated claims/{where}": false / said for where, (said, false) in counts.items()}


def _training(summary: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    steps = summary["steps"]
    return {f"training/{name}": [(s["step"], float(s[name])) for s in steps] for name in ("loss", "accuracy")}


def _critiques(quality: Mapping[str, Any]) -> dict[str, float]:
    """The shares, lengths and refusals of critiques with the evidence, and of those the reward model reads."""
    named: dict[str, float] = {}
    for kind, found in quality.items():
        section = f"critiques {kind.replace('_', ' ')}"
        named |= {f"{section}/{name}": float(figure["value"]) for name, figure in found["figures"].items()}
        named |= numbers(found["refused"], prefix=f"{section} refused/")
        lengths = {name: found[name] for name in ("tokens_mean", "tokens_p95")}
        named |= numbers(lengths, prefix=f"{section}/")
    return named


_COUNTS: dict[str, Callable[[Any], dict[str, float]]] = {
    "waterfall": _pairs,
    "summary_critique_quality": _critiques,
    "summary_critiques": partial(numbers, prefix="critique targets/"),
    "summary_shortcuts": partial(numbers, prefix="kept pairs/"),
    "label_rates": _hallucinated,
    "summary_readout": partial(numbers, prefix="readouts on gate/"),
    "summary_experts": _experts,
}
"""Dataset of a round -> its figures."""
