"""The loop as a table: one namespace a round, each round reading the one before."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from vlrm.lineage.ledger import HOME, REGISTERS
from vlrm.pipelines.critique_generation import pipeline as critique_generation
from vlrm.pipelines.evaluation import pipeline as evaluation
from vlrm.pipelines.expert_annotation import pipeline as expert_annotation
from vlrm.pipelines.groundwork import pipeline as groundwork
from vlrm.pipelines.iterate.choosing import choose_best, choose_best_by_evidence
from vlrm.pipelines.iterate.nodes import promote, release_model, report
from vlrm.pipelines.rejection_sampling import pipeline as rejection_sampling
from vlrm.pipelines.rm_training import pipeline as rm_training

SHARED = ("brought", "reliability", "rule_calibration", "exam", "exam_scenes")
"""What the groundwork hands to every round; names that cross rounds carry no dots."""


def create_pipeline(rounds: int, asking: bool = False) -> Pipeline:
    """``asking``: as in the groundwork."""
    parts = [_round_zero(asking)]
    parts += [_round(number) for number in range(1, rounds + 1)]
    return sum(parts, Pipeline([])) + Pipeline(_ending(rounds, asking))


def _round_zero(asking: bool) -> Pipeline:
    stages = groundwork.create_pipeline(asking) + evaluation.create_pipeline(0)
    return _in_namespace(stages, 0)


def _round(number: int) -> Pipeline:
    before = f"{number - 1:02d}"
    stages = (
        expert_annotation.create_pipeline(number)
        + critique_generation.create_pipeline(f"critic_{before}")
        + rejection_sampling.create_pipeline(number, f"reward_model_{before}")
        + rm_training.create_pipeline(number)
        + evaluation.create_pipeline(number)
    )
    return _in_namespace(stages, number)


def _in_namespace(stages: Pipeline, number: int) -> Pipeline:
    """Put a round's stages into its namespace; what crosses rounds keeps its name."""
    crossing = [name for name in stages.datasets() if _crosses(name)]
    return Pipeline(
        stages,
        namespace=f"round_{number:02d}",
        inputs={name for name in crossing if name in stages.inputs()},
        outputs={name for name in crossing if name in stages.all_outputs()},
        parameters={name for name in stages.inputs() if name.startswith("params:")},
    )


def _crosses(name: str) -> bool:
    return name in SHARED or name.rpartition("_")[2].isdigit()


def _ending(rounds: int, asking: bool) -> list[Node]:
    numbers = [f"{number:02d}" for number in range(rounds + 1)]
    last = numbers[-1]
    told = [f"metrics_{n}" for n in numbers] + [f"round_{n}.scores" for n in numbers]
    kept = ("waterfall", "summary_critique_quality", "summary_shortcuts", "label_rates")
    told += [f"round_{n}.{what}" for what in kept for n in numbers[1:]]
    return [
        node(
            release_model, [f"reward_model_{last}", f"critic_{last}", f"metrics_{last}", "params:critiques"],
            "released_model", name="release_model",
        ),
        node(
            promote,
            ["released_model", "exam", f"metrics_{last}", "metrics_00", "params:images", "params:allow_unverified",
             "params:data"],
            "promotion",
            name="promote",
            tags=[HOME, REGISTERS],
        ),
        node(
            choose_best_by_evidence,
            ["round_00.report_prompts", f"reward_model_{last}", "reliability", "params:experts", "params:policy",
             "params:best_of", "params:seed", "params:data"],
            "best_of_n",
            name="choose_best_by_evidence",
        ) if asking else node(
            choose_best,
            ["round_00.report_prompts", "round_00.report_scenes", f"reward_model_{last}", "params:policy",
             "params:best_of", "params:seed", "params:data"],
            "best_of_n",
            name="choose_best_of_n",
        ),
        node(
            report,
            ["exam", "promotion", "best_of_n", "round_00.summary_own_images", "params:images", "params:data", *told],
            ["report", "iterate_summary"], name="report", tags=[HOME],
        ),
    ]  # fmt: skip
