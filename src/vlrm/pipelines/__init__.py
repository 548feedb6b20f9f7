"""The pipelines: ``iterate`` composes the stages, one namespace a round; each stage can be run alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from kedro.pipeline import Pipeline

from vlrm.pipelines.deferred import DeferredPipeline

STAGES = ("expert_annotation", "critique_generation", "rejection_sampling", "rm_training", "evaluation")


@dataclass
class _Shape:
    rounds: int = 3
    newest: int | None = None
    answers: bool = False
    answered: bool = False
    asking: bool = False
    own_images: bool = False


_shape = _Shape()


def configure(
    rounds: int, newest: int | None = None, answers: bool = False, answered: bool = False, asking: bool = False,
    own_images: bool = False,
) -> None:  # fmt: skip
    """Set how many rounds ``iterate`` has, and which finished round is the newest; the context calls this.

    ``answers``: the user brought answers (``responses=``), which ``expert_annotation`` then verifies. ``answered``:
    that has been done before, so that ``explain`` finds them. ``own_images``: the user brought images (``images=``).
    ``asking``: questions are asked about them.
    """
    _shape.rounds, _shape.newest, _shape.answers, _shape.answered = rounds, newest, answers, answered
    _shape.asking, _shape.own_images = asking, own_images


def registered() -> dict[str, Pipeline]:
    """``iterate`` (the default), ``ablate``, and each stage alone for the newest finished round (the first when none
    is); ``expert_annotation`` with a user's answers is about these instead.

    Each is made, and what its nodes need imported, when it is first looked at.
    """
    shape = replace(_shape)
    loop = _deferred("iterate", shape.rounds, shape.asking)
    number = min(shape.newest or 1, shape.rounds)
    alone: dict[str, Pipeline] = {
        stage: DeferredPipeline(partial(_stage, loop, f"round_{number:02d}.{stage}")) for stage in STAGES
    }
    if shape.answers:
        alone["expert_annotation"] = _deferred("answers")
    others = {
        "ablate": _deferred("ablate", shape.rounds, shape.asking, shape.own_images),
        "best_of_n": _deferred("best_of_n", shape.answers),
        "benchmark": _deferred("benchmark"),
        "compare": _deferred("compare"),
        "embedded_training": _deferred("embedded_training"),
        "expert_reliability": _deferred("answers", make="measuring"),
        "explain": _deferred("answers", shape.newest, shape.answered, make="explaining"),
        "estimate": _deferred("estimate"),
        "export": _deferred("export", shape.newest),
        "export_model": _deferred("export_reward_model", shape.newest),
        "score": _deferred("score"),
    }
    return {"__default__": loop, "iterate": loop, **others, **alone}


def _deferred(package: str, *arguments: Any, make: str = "create_pipeline") -> Pipeline:
    """What ``make`` of ``vlrm.pipelines.<package>.pipeline`` gives for ``arguments``."""
    return DeferredPipeline(
        lambda: getattr(import_module(f"vlrm.pipelines.{package}.pipeline"), make)(*arguments),
    )


def _stage(loop: Pipeline, namespace: str) -> Pipeline:
    nodes = [node for node in loop.nodes if f"{node.namespace or ''}.".startswith(f"{namespace}.")]
    return Pipeline(nodes)
