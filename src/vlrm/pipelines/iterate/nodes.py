"""The last nodes of the loop: release and promote the newest model, write the report."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pyarrow as pa

from vlrm.critiques.quality import CritiqueQuality
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.best_of_n import BestOfN
from vlrm.evaluation.bootstrap import image_clusters
from vlrm.evaluation.figures import Figure, Metrics
from vlrm.evaluation.metrics import gains
from vlrm.evaluation.outcomes import Outcomes, credit
from vlrm.evaluation.report import render_report
from vlrm.evaluation.report_data import (
    TRUTH_UNKNOWN,
    Refusals,
    ReportData,
    RoundReport,
    own_images_notes,
    round_report,
    worst_mistakes,
)
from vlrm.evaluation.summary import summary_json
from vlrm.images import open_image
from vlrm.lineage.hashing import hash_path
from vlrm.memory import peak_mb
from vlrm.pipelines.evaluation.nodes import split_of
from vlrm.pipelines.settings import Critiques, image_store
from vlrm.registry.release import release
from vlrm.rejection_sampling.notes import kept_pairs_notes


class Release:
    """A released model on its way to a folder."""

    def __init__(self, reward_model: Path, critic: Path, metrics: Mapping[str, Any], critiques: Critiques) -> None:
        self.parts = (reward_model, critic)
        chosen = metrics["metrics"]
        self.settings = {
            "critiques": critiques.exam_samples if chosen["readout"] == "critiques" else 0,
            "temperature": chosen["temperature"],
            "template": critiques.template,
            "sampling": critiques.sampling,
        }

    def save(self, path: Path) -> None:
        release(path, *self.parts, **self.settings)


def release_model(reward_model: Path, critic: Path, metrics: dict[str, Any], critiques: Critiques) -> Release:
    """The newest round's model in one folder, read as the gate split chose."""
    return Release(reward_model, critic, metrics, critiques)


def promote(
    released: Path,
    exam: pa.Table,
    metrics: dict[str, Any],
    metrics_zero: dict[str, Any],
    images: str | None,
    allow_unverified: bool,
    data: str,
) -> dict[str, Any]:
    """Challenger and champion in the MLflow registry, decided on the gate split."""
    import pandas as pd

    from vlrm.registry.settle import challenge
    from vlrm.reward.scoring import Scorer

    gate = [row for row in exam.to_pylist() if row["split"] == "gate" and row["item_id"] in metrics["gate"]]
    groups = {}
    if gate:
        clusters = image_clusters(pl.DataFrame(gate, infer_schema_length=None))
        groups = {row["item_id"]: str(cluster) for row, cluster in zip(gate, clusters, strict=True)}
    example = pd.DataFrame([_example(row, image_store(data)) for row in gate[:2]])

    def sit_gate(folder: Path) -> dict[str, float]:
        scorer = Scorer.load(folder, image_store(data))
        margins: list[float] = []
        for start in range(0, len(gate), SAT):
            part = gate[start : start + SAT]
            rows = [(image_store(data) / row["image"], row["question"], row[side]) for row in part for side in SIDES]
            margins += (-np.diff(scorer.rewards(rows).reshape(-1, 2), axis=1)[:, 0]).tolist()
        right = credit(np.array(margins))
        return {row["item_id"]: float(one) for row, one in zip(gate, right, strict=True)}

    return challenge(
        released, hash_path(released) or "", Path(data) / "mlflow.db", Path(data) / "mlartifacts", example,
        metrics["gate"], metrics_zero["gate"], groups, sit_gate,
        verified=images is None, allow_unverified=allow_unverified,
    )  # fmt: skip


SIDES = ("chosen", "rejected")
SAT = 16
"""Items of the gate that are judged, and whose images are open, together."""
BEST_BY_EVIDENCE = "Best of N: a claim counts as false where the evidence contradicts it, as true where it supports it."


def _example(row: Mapping[str, Any], root: Path) -> dict[str, str]:
    buffer = io.BytesIO()
    open_image(root / row["image"]).save(buffer, "PNG")
    image = base64.b64encode(buffer.getvalue()).decode()
    return {"image": image, "question": row["question"], "response": row["chosen"]}


def report(
    exam: pa.Table,
    promotion: dict[str, Any],
    best: dict[str, Any],
    own: dict[str, Any],
    images: str | None,
    data: str,
    *tables: Any,
) -> tuple[str, dict[str, Any]]:
    """The HTML report and iterate.json.

    ``tables``: metrics of rounds 0..R, their scores; then of rounds 1..R waterfalls, the critiques' quality, shortcuts
    and label rates.
    """
    rounds = (len(tables) - 2) // 6 + 1
    metrics, scores, kept = tables[:rounds], tables[rounds : 2 * rounds], tables[2 * rounds :]
    waterfalls, qualities, shortcuts, rates = (kept[i * (rounds - 1) : (i + 1) * (rounds - 1)] for i in range(4))
    outcomes = [split_of(exam, table, "report") for table in scores]
    reports = [
        _round_report(number, outcomes[number], metrics[number], waterfall, quality)
        for number, (waterfall, quality) in enumerate(zip((None, *waterfalls), (None, *qualities), strict=True))
    ]
    by_evidence = images is not None
    last, parsed = outcomes[-1], [Metrics.model_validate(m["metrics"]) for m in metrics]
    page = ReportData(
        by_evidence=by_evidence,
        subtitle=TRUTH_UNKNOWN if by_evidence else "",
        rounds=reports,
        gains=_gains(last, parsed[-1], outcomes[0], parsed[0]),
        baselines={n: Figure.model_validate(f) if f else None for n, f in metrics[-1]["baselines"].items()},
        best_of_n=[BestOfN.model_validate(point) for point in best["points"]],
        mistakes=worst_mistakes(last, parsed[-1], image_store(data)),
        seconds=_seconds(),
        peak_memory_mb=peak_mb(),
        champion=promotion["champion_uri"],
        notes=[
            f"{'Promoted' if promotion['promote'] else 'Not promoted'}: {'; '.join(promotion['reasons'])}.",
            *(own_images_notes(own) if by_evidence else ()),
            *([BEST_BY_EVIDENCE] if by_evidence and best["points"] else ()),
            *kept_pairs_notes(shortcuts, rates),
        ],
    )
    summary = summary_json(reports, page.seconds or 0.0, page.peak_memory_mb or 0.0, page.champion, by_evidence)
    if by_evidence:
        summary |= {"truth": None, "own_images": own}
    return render_report(page), summary


def _round_report(
    number: int,
    outcomes: Outcomes,
    metrics: Mapping[str, Any],
    waterfall: pa.Table | None,
    quality: Mapping[str, Any] | None,
) -> RoundReport:
    steps = [Refusals.model_validate(row) for row in waterfall.to_pylist()] if waterfall is not None else []
    offered = sum(s.left + s.refused for s in steps if s.test == "offered")
    kept = sum(s.left for s in steps if s.test == "kept")
    parsed = Metrics.model_validate(metrics["metrics"])
    report = round_report(number, outcomes, parsed, pairs_offered=offered, pairs_kept=kept, waterfall=steps)
    return report.model_copy(update={"critiques": CritiqueQuality.model_validate(quality) if quality else None})


def _gains(ours: Outcomes, mine: Metrics, theirs: Outcomes, its: Metrics) -> dict[str, Figure]:
    balanced = baseline_figures(ours)[1]
    found = gains(ours, mine.readout, theirs, its.readout, balanced=balanced)  # type: ignore[arg-type]
    return {name: figure for name, figure in found.items() if figure is not None}


def _seconds() -> float:
    return round(time.time() - psutil.Process().create_time(), 1)
