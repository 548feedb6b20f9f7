"""What evaluation must show: the known figures of released benchmarks, judges on the embedded world and on POPE-style
questions, and what examining costs.

Needs public data (docs/README.md: benchmarks/ and coco_photos/), the photo detector (``make photos``) for the
rule of the experts, and a finished ``make iterate`` for the embedded champion; what is missing is left out and said.
Prints tables and, as its last line, one JSON object; writes it with machine and versions to results/evaluation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from evaluation_cost import memory_growth, overhead
from measured_on import ROOT, commit, machine, versions
from vlrm.errors import UserError
from vlrm.evaluation.benchmarks.examine import bench_of, examine, measured
from vlrm.evaluation.benchmarks.results import Place, results_table
from vlrm.evaluation.benchmarks.suites import SUITES
from vlrm.evaluation.judges.choose import TEXT_ONLY, Means, choose
from vlrm.registry.resolve import find_model

if TYPE_CHECKING:
    from vlrm.evaluation.benchmarks.examine import Bench
    from vlrm.evaluation.measuring.result import Result

SHARED = Path(os.environ.get("VLRM_SHARED_DATA") or ROOT.parent / "shared" / "data")
RESULT = ROOT / "benchmarks" / "results" / "evaluation.json"
RELEASED = {
    "vl_rewardbench": "vl_rewardbench.json", "mm_rlhf_rewardbench": "mm_rlhf_rewardbench.jsonl",
    "hallusionbench": "hallusionbench.json", "pope": "coco_pope_random.json",
}  # fmt: skip
RULES = ("first", "shorter", "longer", TEXT_ONLY)
ON_SCENES = ("champion", "round_0", *RULES)
ON_PHOTOS = ("detector_rule", *RULES)
KEPT = (
    "accuracy", "accuracy_macro", "acc_plus", "order_consistency", "blank_accuracy", "swapped_accuracy", "ece_before",
    "yes.accuracy", "yes.precision", "yes.recall", "yes.f1", "yes.yes_ratio", "a_acc", "f_acc", "q_acc",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of the released files and photos")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="data folder of a finished iterate")
    parser.add_argument("--experiment", default="default", help="its experiment")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the result is written")
    given = parser.parse_args()
    if not (given.shared / "benchmarks").is_dir():
        parser.error(f"{given.shared / 'benchmarks'} does not exist: give --shared, the folder of the released files")
    console = Console(width=150)
    with tempfile.TemporaryDirectory(prefix="vlrm-evaluation-") as place:
        examiner = Examiner(Place(Path(place)), given.data, given.experiment, console)
        found = examiner.released(given.shared / "benchmarks")
        found["embedded"] = examiner.compared("embedded", ON_SCENES, None, None)
        photos = given.shared / "coco_photos"
        found["coco_pope"] = examiner.compared("coco_pope", ON_PHOTOS, photos / "instances.json", photos / "images")
    found |= {**memory_growth(), **overhead()}
    console.print({name: found[name] for name in ("rss_growth_mb", "scoring_overhead", "scoring_overhead_spread")})
    result = found | {
        "benchmark": "evaluation", "commit": commit(), "machine": machine(),
        "versions": versions(["torch", "transformers", "numpy", "polars", "pyarrow", "scikit-learn"]),
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


class Examiner:
    """Examines judges and prints their tables."""

    def __init__(self, place: Place, data: Path, experiment: str, console: Console) -> None:
        self.place, self.data, self.experiment, self.console = place, data, experiment, console

    def released(self, folder: Path) -> dict[str, Any]:
        """The figures of VL-RewardBench that everybody should find, and all rules on every released file."""
        tables = {name: self.compared(name, RULES, folder / file, None) for name, file in RELEASED.items()}
        bench = bench_of("vl_rewardbench", str(folder / RELEASED["vl_rewardbench"]), None, self.data, 0)
        items = list(bench.items())
        split: dict[str, int] = {}
        for item in items:
            split[item.category] = split.get(item.category, 0) + 1
        known = tables["vl_rewardbench"]
        return {
            "items": len(items),
            "repeated_ids": len(items) - len({item.id for item in items}),
            "category_split": [split[name] for name in next(s for s in SUITES if s.name == bench.suite).categories],
            # Always the answer that the file stores first, which is no order that a judge would be shown.
            "always_first": round(100 * sum(item.better == 0 for item in items) / len(items), 2),
            "always_shorter_overall": known["shorter"]["accuracy"][0],
            "always_shorter_macro": known["shorter"]["accuracy_macro"][0],
            "always_longer": known["longer"]["accuracy"][0],
            "rules": tables,
        }

    def compared(
        self, suite: str, judges: tuple[str, ...], file: Path | None, images: Path | None
    ) -> dict[str, dict[str, list[float]]]:
        """Judge -> figure -> [value, low, high] in percent; judges that cannot be had here are said and left out."""
        results: list[Result] = []
        try:
            given = None if file is None else str(file)
            bench = bench_of(suite, given, None if images is None else str(images), self.data, 0, self.experiment)
        except UserError as error:
            self.console.print(f"{suite} is left out: {error}")
            return {}
        for name in judges:
            try:
                results.append(self._result(name, bench))
            except UserError as error:
                self.console.print(f"{name} is left out: {error}")
        for one in results:
            self.console.print(results_table([one.model_copy(update={"baselines": {}})]))
        return {name: _kept(one) for name, one in zip(self._there(results, judges), results, strict=True)}

    def _result(self, name: str, bench: Bench) -> Result:
        judge = choose(name, self._means(bench))
        done = examine(judge, name, bench, self.place, ("image", "blank", "swapped"))
        text_only = {}
        if name != TEXT_ONLY and judge.looks:
            other = choose(TEXT_ONLY, self._means(bench))
            text_only = {TEXT_ONLY: examine(other, TEXT_ONLY, bench, self.place).run.file}
        return measured(done, text_only, 0).model_copy(update={"model": name})

    def _means(self, bench: Bench) -> Means:
        return Means(
            find=lambda model: find_model(model, self.data, self.experiment),
            store=self.data / "01_raw" / "images", items=bench.items, answers=self.place.root / "answers", base="",
        )  # fmt: skip

    @staticmethod
    def _there(results: list[Result], judges: tuple[str, ...]) -> list[str]:
        models = {one.model for one in results}
        return [name for name in judges if name in models]


def _kept(result: Result) -> dict[str, list[float]]:
    """The figures that are reported, and accuracies by category."""
    named = {name: result.figures[name] for name in KEPT if name in result.figures}
    named |= {f"category.{name}": figure for name, figure in result.by_category.items()}
    return {name: [round(100 * x, 2) for x in (f.value, f.low, f.high)] for name, f in named.items()}


if __name__ == "__main__":
    main()
