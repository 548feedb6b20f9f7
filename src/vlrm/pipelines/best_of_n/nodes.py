"""Nodes that draw or read candidates, score them, and judge the chosen ones by exact truth or by human boxes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Container
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vlrm.errors import UserError
from vlrm.evaluation.best_of_n_page import curve_of, render_curve
from vlrm.evaluation.human_boxes import count_by_boxes
from vlrm.experts.coco import read_truth
from vlrm.pipelines.iterate.choosing import judged_candidates
from vlrm.pipelines.settings import BestOf, Policy, image_store
from vlrm.progress import say
from vlrm.registry.resolve import find_model
from vlrm.reward.score_file import score_file

SCENES = "Judged by the exact truth of the report split's scenes"
BOXES = "Judged by human boxes of COCO's 80 objects: objects named, denied and counted"


def choose_among_drawn(
    prompts: pa.Table,
    scenes: pa.Table,
    model: str,
    policy: Policy,
    settings: BestOf,
    seed: int,
    experiment: str,
    data: str,
) -> tuple[dict[str, Any], str]:
    """The curve on report prompts, for candidates that the policy draws: ``(best_of_n.json, page)``."""
    chooser = find_model(model, Path(data), experiment)
    counted = judged_candidates(prompts, scenes, chooser.folder, policy, settings, seed, data)
    if counted is None:
        raise UserError(
            "no truth is known about this experiment's images: give candidates of your own with "
            "--params responses=FILE.jsonl,images=FOLDER,truth=INSTANCES.json"
        )
    found = curve_of(chooser.name, SCENES, counted, [])
    return found.model_dump(), render_curve(found)


def choose_among_given(
    model: str, responses: str, images: str | None, truth: str | None, experiment: str, data: str
) -> tuple[dict[str, Any], str]:
    """The curve for a user's candidates: rows of one image and question are its candidates, in the file's order."""
    from vlrm.reward.scoring import Scorer

    if images is None or truth is None:
        raise UserError(
            "candidates about photos are judged by human boxes: give --params responses=FILE.jsonl,images=FOLDER,"
            "truth=INSTANCES.json (a COCO instances file)"
        )
    boxes = read_truth(Path(str(truth)).expanduser())
    chooser = find_model(model, Path(data), experiment)
    scorer = Scorer.load(chooser.folder, image_store(data))
    with tempfile.TemporaryDirectory(prefix="vlrm-best-of-n-") as scratch:
        out = Path(scratch) / "scores.parquet"
        done = score_file(
            scorer, Path(str(responses)).expanduser(), Path(str(images)).expanduser(), out,
            progress=lambda rows: say(f"row {rows} scored"),
        )  # fmt: skip
        scored = pq.read_table(out).to_pylist()
    rows, unknown = [], 0
    names = names_of({row["image"] for row in scored} - {None}, boxes)
    for row in scored:
        name = names.get(row["image"])
        if row["problem"] is not None or name not in boxes:
            unknown += row["problem"] is None
            continue
        false, true = count_by_boxes(row["response"], row["question"], boxes[name])
        rows.append(
            {"prompt_id": f"{row['image']}\x1f{row['question']}", "image_sha256": row["image"], "sample": row["row"],
             "false_claims": false, "true_claims": true, "reward": row["reward"]}
        )  # fmt: skip
    if done.refused == done.rows:
        raise UserError(f"no candidate of {responses} can be used; row 1: {scored[0]['problem']}")
    if not rows:
        raise UserError(
            f"none of the {done.rows} candidates is about an image of {truth}: its file_name entries must be the names "
            "of the images in the column image"
        )
    notes = []
    if done.refused or unknown:
        notes.append(
            f"{done.refused} of {done.rows} candidates could not be scored, {unknown} are about images without boxes."
        )
    found = curve_of(chooser.name, BOXES, pl.DataFrame(rows), notes)
    return found.model_dump(), render_curve(found)


def names_of(images: Collection[str], boxes: Container[str]) -> dict[str, str]:
    """Image path -> its name in the truth: the path itself, or its last part where no other image has the same."""
    last = Counter(Path(image).name for image in images)
    found = {image: image if image in boxes else Path(image).name for image in images}
    return {image: name for image, name in found.items() if name == image or last[name] == 1}
