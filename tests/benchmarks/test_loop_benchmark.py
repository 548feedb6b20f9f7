"""The loop benchmark reads what runs left on disk: figures over seeds, arms, costs, and whose turn it is."""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from vlrm.ablation.arms import ARMS
from vlrm.ablation.labels import LABELS
from vlrm.evaluation.over_seeds import goals_reached
from vlrm.schema import EXAM, SCORES

ITEMS = 40


@pytest.fixture(scope="module")
def loop():
    path = Path(__file__).parents[2] / "benchmarks" / "loop.py"
    spec = importlib.util.spec_from_file_location("loop_benchmark", path)
    sys.path.insert(0, str(path.parent))  # as for a script: what benchmarks share stands beside them
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def exam() -> pa.Table:
    rows = [
        {
            "item_id": f"{split}-{n}", "split": split, "part": "iid", "source": "edited" if n % 2 else "organic",
            "kind": "attribute", "image": f"{n}.png", "image_sha256": f"s{n}", "question": "?",
            "chosen": f"There is a red star and {n} boxes.", "rejected": f"There is a blue star and {n} boxes.",
            "quad_id": None, "group_id": None, "differing_kinds": ["attribute"], "experts_right": n % 7 > 0,
        }
        for split in ("gate", "report")
        for n in range(ITEMS)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, EXAM)


def scores(wrong: int) -> pa.Table:
    """Scores of both splits; of the report's pairs the first ``wrong`` are ordered wrongly."""
    rows = []
    for row in exam().to_pylist():
        number = int(row["item_id"].rpartition("-")[2])
        right = row["split"] == "gate" or number >= wrong
        rows.append(
            {
                "item_id": row["item_id"],
                "view": "image",
                "sample": -1,
                "chosen_reward": float(right),
                "rejected_reward": 0.5,
            }
        )
    return pa.Table.from_pylist(rows, SCORES)


def write(path: Path, content: pa.Table | dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_text(json.dumps(content))


def point(choice: str, n: int, false: float) -> dict:
    counts = {"false_claims": false, "true_claims": 3.0}
    figures = {name: {"value": value, "low": 0.0, "high": 5.0, "n": 9} for name, value in counts.items()}
    return {"choice": choice, "n": n, **figures}


@pytest.fixture
def arguments(tmp_path):
    """Two seeds that ran: round 0 has 20 of 40 pairs wrong, round 1 has 10 (seed 0) and 4 (seed 1)."""
    for seed, wrong in ((0, 10), (1, 4)):
        line = tmp_path / f"seed-{seed}" / "rounds" / f"bench-{seed}"
        write(line / "00" / "exam.parquet", exam())
        for number, many in ((0, 20), (1, wrong)):
            write(line / f"{number:02d}" / "scores.parquet", scores(many))
            write(line / f"{number:02d}" / "metrics.json", {"metrics": {"readout": "plain"}})
        write(line / "best_of_n.json", {"points": [point("reward", 1, 0.6), point("reward", 8, 0.1 * wrong)]})
        stages = {"round_01.rm_training.train_reward_model": {"seconds": 50.0}}
        write(line / "01" / "manifest.json", {"stages": stages})
        write(tmp_path / f"seed-{seed}" / "peak_memory.json", {"iterate": 900.0, "ablate": 800.0})
    line = tmp_path / "seed-0" / "rounds" / "bench-0"
    for name in ARMS:
        write(line / "ablation" / name / "01" / "scores.parquet", scores(15 if name == "no_quads" else 2))
    write(
        line / "ablation" / "no_quads" / "01" / "manifest.json", {"stages": {"ablation.no_quads.x": {"seconds": 7.0}}}
    )
    labels = [
        {"arm": arm, "round": 1, "pair_id": f"p{n}", "image_sha256": f"s{n}", "source": "candidates", "mined": False,
         "known": True, "right": float(arm == "full" or n > 2)}
        for arm in ("full", "self_labelled")
        for n in range(10)
    ]  # fmt: skip
    write(line / "ablation" / "labels.parquet", pa.Table.from_pylist(labels, LABELS))
    return argparse.Namespace(data=str(tmp_path), seeds=2, ablate_seeds=1, arms=list(ARMS))


def test_figures_over_seeds_come_from_the_report_split(loop, arguments):
    found = loop.loop_figures(arguments)
    name = "hallucination_accuracy"
    assert [figures[name].value for figures in found.rounds] == pytest.approx([0.5, (0.75 + 0.9) / 2])
    assert found.gains[name].value == pytest.approx(0.325)
    assert found.rounds[0][name].n == 2 * ITEMS


def test_best_of_n_is_the_mean_of_the_seeds_with_their_spread(loop, arguments):
    first, eighth = loop.best_of_n_figures(arguments)
    assert (first.n, first.false_claims) == (1, pytest.approx((0.6, 0.6, 0.6)))
    assert (eighth.n, eighth.false_claims) == (8, pytest.approx((0.7, 0.4, 1.0)))


def test_arms_stand_beside_the_loop_of_their_own_seeds(loop, arguments):
    found = loop.ablation_figures(arguments)
    arms = {arm.name: arm for arm in found.arms}
    assert list(arms) == list(ARMS)
    assert (found.seeds, found.rounds, found.pairs) == (1, 1, 10)
    assert found.full["hallucination_accuracy"].value == pytest.approx(0.75)
    assert arms["no_quads"].against_full["hallucination_accuracy"].value == pytest.approx(-0.125)
    assert found.gap_recovered["hallucination_accuracy"].value == pytest.approx(0.25 / 0.45)
    errors = {one.arm: one.figures["label_error"].value for one in found.labels}
    assert errors == {"full": 0.0, "self_labelled": pytest.approx(0.3)}
    arguments.arms = ["no_quads"]
    alone = loop.ablation_figures(arguments)
    assert [arm.against_full for arm in alone.arms] == [arms["no_quads"].against_full]
    assert alone.labels == []
    arguments.ablate_seeds = 0
    assert loop.ablation_figures(arguments) is None


def test_seconds_are_the_stages_own(loop, arguments):
    assert loop.costs(arguments) == [
        {"seed": 0, "pipeline": "iterate", "seconds": 50.0, "peak_memory_mb": 900.0},
        {"seed": 0, "pipeline": "ablate", "seconds": 7.0, "peak_memory_mb": 800.0},
        {"seed": 1, "pipeline": "iterate", "seconds": 50.0, "peak_memory_mb": 900.0},
    ]


def test_two_runs_of_one_seed_never_meet(loop, tmp_path):
    turn = sys.modules["runs"]._next
    first, second = loop.Job(0, "iterate", tmp_path), loop.Job(0, "ablate", tmp_path)
    other = loop.Job(1, "iterate", tmp_path)
    assert turn([second, other], [first]) is other
    assert turn([second], [first]) is None
    assert turn([second], []) is second


def test_everything_is_shown(loop, arguments):
    found, arms = loop.loop_figures(arguments), loop.ablation_figures(arguments)
    stream = io.StringIO()
    goals = [one.model_dump() for one in goals_reached(found)]
    best = [one.model_dump() for one in loop.best_of_n_figures(arguments)]
    result = {"goals": goals, "best_of_n": best, "runs": loop.costs(arguments)}
    loop.show(found, arms, result, Console(file=stream, width=200))
    said = stream.getvalue()
    for words in (
        "hallucination accuracy",
        "+32.5",
        "no_quads",
        "Gap recovered",
        "self-labelled",
        "900.0",
        "0.70 (0.40 to 1.00)",
    ):
        assert words in said
    assert np.isfinite([goal["measured"]["value"] for goal in goals if goal["measured"]]).all()
