"""What the evidence is worth: claims read from English, verdicts, counterfactuals, objects of drawn scenes.

    python benchmarks/evidence.py [--parts claims calibration photos nlvr counterfactuals scenes cost]

Needs public data (docs/README.md) for the parts calibration, photos, nlvr, counterfactuals and cost, and the
packages of the extras "photos" and "embedded". The last line is one JSON object; the same, with the machine, is written
to benchmarks/results/evidence.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from measured_on import commit, machine, versions

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("VLRM_SHARED_DATA") or ROOT.parent / "shared" / "data")
RESULT = ROOT / "benchmarks" / "results" / "evidence.json"
VERSIONED = (
    "vlrm",
    "numpy",
    "scikit-learn",
    "scipy",
    "opencv-python-headless",
    "ultralytics-opencv-headless",
    "rapidocr",
)
sys.path.append(str(ROOT / "tests" / "claims"))


def claims() -> dict[str, Any]:
    """F1 by kind of claim on hand-labelled sentences; the second set was labelled after the reader was written."""
    from labelled import compare, load, scores

    from vlrm.claims.english import PHOTOS
    from vlrm.claims.extract import extract_claims

    found: dict[str, Any] = {}
    both = []
    for name in ("dev", "heldout"):
        sentences = load(f"labelled_{name}.txt")
        compared = [compare(one, extract_claims(one.text, one.question, PHOTOS)) for one in sentences]
        both += compared
        found[f"claim_sentences_{name}"] = len(sentences)
        found |= {f"claim_f1_{kind}_{name}": round(score.f1, 4) for kind, score in scores(compared).items()}
    # The figure that counts is that of the sentences the reader was not developed on.
    kinds = ("existence", "attribute", "count", "relation", "text")
    return found | {f"claim_f1_{kind}": found[f"claim_f1_{kind}_heldout"] for kind in kinds}


def nlvr() -> dict[str, Any]:
    """Objects of NLVR's dev scenes: right shape, colour and size at IoU .5 or more; one image each, none fitted on."""
    from evidence_nlvr import object_f1

    return object_f1(SHARED / "nlvr_dev")


def photos() -> dict[str, Any]:
    """Verdicts of COCO SSD's evidence alone on photos it was not calibrated on, against human boxes and captions."""
    from evidence_photos import verdicts

    return verdicts(SHARED / "coco_photos")


def counterfactuals() -> dict[str, Any]:
    """Edits of human captions, made by expert evidence alone and judged by human boxes and all captions of a photo."""
    from evidence_counterfactuals import caption_edits

    return caption_edits(SHARED / "coco_photos", ROOT / "data")


def calibration() -> dict[str, Any]:
    """Two ways from scores to probabilities, by cross-validation on the photos that COCO SSD is calibrated on."""
    from evidence_calibration import cross_validated

    return cross_validated(SHARED / "coco_calibration")


def scenes() -> dict[str, Any]:
    """Verdicts of the embedded experts on fresh scenes, against exact truth."""
    from evidence_scenes import verdicts

    return verdicts()


def cost() -> dict[str, Any]:
    """What annotation costs beside the expert it runs, and whether its memory grows with the number of images."""
    from evidence_streaming import cost as measured

    return measured(SHARED / "coco_photos" / "images")


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "claims": claims, "calibration": calibration, "photos": photos, "nlvr": nlvr, "counterfactuals": counterfactuals,
    "scenes": scenes, "cost": cost,
}  # fmt: skip
GOALS = {
    "claim_f1_existence": (0.9, None), "claim_f1_attribute": (0.9, None), "claim_f1_count": (0.85, None),
    "claim_f1_relation": (0.85, None), "nlvr_object_f1": (0.97, None), "counterfactual_truth": (0.95, None),
    "counterfactual_count": (300, None), "counterfactual_text_only_accuracy": (None, 0.55),
    "photos_supported_precision": (0.97, None), "photos_supported_coverage": (0.65, None),
    "photos_contradicted_precision": (0.9, None), "photos_contradicted_coverage": (0.25, None),
    "photos_ece": (None, 0.05), "scenes_verdict_precision": (0.98, None), "scenes_unverifiable": (None, 0.1),
    "annotation_throughput_ratio": (0.9, None), "annotation_growth_mb": (None, 50),
}  # fmt: skip
CURVES = {
    "photos_curve": "Verdicts on photos over the probability asked of them",
    "counterfactual_curve": "Edits of captions, made with another certainty",
}


def show(figures: dict[str, Any], console: Console) -> None:
    table = Table(title="Evidence", title_justify="left")
    for title in ("figure", "measured", "goal", "met"):
        table.add_column(title)
    for name, value in figures.items():
        if name.endswith("_curve"):
            continue
        low, high = GOALS.get(name, (None, None))
        goal = f">= {low}" if low is not None else f"<= {high}" if high is not None else ""
        met = value is not None and (low is None or value >= low) and (high is None or value <= high)
        table.add_row(name.replace("_", " "), str(value), goal, ("yes" if met else "NO") if goal else "")
    console.print(table)
    for name, title in CURVES.items():
        curve = figures.get(name)
        if curve is None:
            continue
        table = Table(title=title, title_justify="left")
        for column in curve[0]:
            table.add_column(column.replace("_", " "))
        for point in curve:
            table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in point.values()))
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS), help="what is measured")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the result is written")
    arguments = parser.parse_args()
    needed = dict.fromkeys(("photos", "counterfactuals", "cost"), SHARED / "coco_photos")
    needed |= {"nlvr": SHARED / "nlvr_dev", "calibration": SHARED / "coco_calibration"}
    for part in arguments.parts:
        if part in needed and not needed[part].is_dir():
            parser.error(f"the part {part} needs {needed[part]}: put the shared data there, or leave the part out")
    figures: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for part in arguments.parts:
        began = time.process_time()
        figures |= PARTS[part]()
        seconds[part] = round(time.process_time() - began, 1)
    console = Console(highlight=False, soft_wrap=True)
    show(figures, console)
    result = {
        "benchmark": "evidence", "figures": figures, "cpu_seconds": seconds, "versions": versions(VERSIONED),
        "machine": machine(), "commit": commit(),
    }  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    console.print(f"Result    {arguments.out}")
    print(json.dumps(figures, sort_keys=True))


if __name__ == "__main__":
    main()
