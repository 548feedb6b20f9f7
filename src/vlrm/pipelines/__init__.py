"""The pipelines: ``iterate`` composes the stages, one namespace a round; each stage can be run alone."""

from __future__ import annotations

from dataclasses import dataclass

from kedro.pipeline import Pipeline

STAGES = ("expert_annotation", "critique_generation", "rejection_sampling", "rm_training", "evaluation")


@dataclass
class _Shape:
    rounds: int = 3
    newest: int | None = None
    answers: bool = False
    answered: bool = False
    asking: bool = False


_shape = _Shape()


def configure(
    rounds: int, newest: int | None = None, answers: bool = False, answered: bool = False, asking: bool = False
) -> None:
    """Set how many rounds ``iterate`` has, and which finished round is the newest; the context calls this.

    ``answers``: the user brought answers (``responses=``), which ``expert_annotation`` then verifies. ``answered``:
    that has been done before, so that ``explain`` finds them. ``asking``: questions are asked about a user's images.
    """
    _shape.rounds, _shape.newest, _shape.answers, _shape.answered = rounds, newest, answers, answered
    _shape.asking = asking


def registered() -> dict[str, Pipeline]:
    """``iterate`` (the default), ``ablate``, and each stage alone for the newest finished round (the first when none
    is); ``expert_annotation`` with a user's answers is about these instead."""
    from vlrm.pipelines.ablate.pipeline import create_pipeline as ablate
    from vlrm.pipelines.answers.pipeline import create_pipeline as answers
    from vlrm.pipelines.answers.pipeline import explaining, measuring
    from vlrm.pipelines.benchmark.pipeline import create_pipeline as benchmark
    from vlrm.pipelines.best_of_n.pipeline import create_pipeline as best_of_n
    from vlrm.pipelines.compare.pipeline import create_pipeline as compare
    from vlrm.pipelines.embedded_training.pipeline import create_pipeline as embedded_training
    from vlrm.pipelines.estimate.pipeline import create_pipeline as estimate
    from vlrm.pipelines.export.pipeline import create_pipeline as export
    from vlrm.pipelines.export_reward_model.pipeline import create_pipeline as export_model
    from vlrm.pipelines.iterate.pipeline import create_pipeline
    from vlrm.pipelines.score.pipeline import create_pipeline as score

    loop = create_pipeline(_shape.rounds, _shape.asking)
    number = min(_shape.newest or 1, _shape.rounds)
    alone = {stage: _stage(loop, f"round_{number:02d}.{stage}") for stage in STAGES}
    if _shape.answers:
        alone["expert_annotation"] = answers()
    others = {
        "ablate": ablate(_shape.rounds, _shape.asking),
        "best_of_n": best_of_n(_shape.answers),
        "benchmark": benchmark(),
        "compare": compare(),
        "embedded_training": embedded_training(),
        "expert_reliability": measuring(),
        "explain": explaining(_shape.newest, _shape.answered),
        "estimate": estimate(),
        "export": export(_shape.newest),
        "export_model": export_model(_shape.newest),
        "score": score(),
    }
    return {"__default__": loop, "iterate": loop, **others, **alone}


def _stage(loop: Pipeline, namespace: str) -> Pipeline:
    nodes = [node for node in loop.nodes if f"{node.namespace or ''}.".startswith(f"{namespace}.")]
    return Pipeline(nodes)
