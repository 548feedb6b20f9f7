"""The ablation as Kedro sees it: every arm ends in scores, keeps to its own folder, and reuses the loop's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vlrm.ablation.arms import ARMS, ON_OWN_IMAGES
from vlrm.pipelines.ablate.pipeline import SELF_ROUNDS, create_pipeline
from vlrm.pipelines.iterate.pipeline import create_pipeline as loop
from vlrm.stages import folder_of, round_by_round, whole_plan

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline


@pytest.fixture(scope="module")
def ablate() -> Pipeline:
    return create_pipeline(2)


def arms_of(pipeline: Pipeline, name: str) -> list[str]:
    return [node.name for node in pipeline.nodes if node.name.startswith(f"ablation.{name}.")]


def test_the_loop_is_part_of_it_and_unchanged(ablate: Pipeline) -> None:
    assert {node.name for node in loop(2).nodes} <= {node.name for node in ablate.nodes}
    own = whole_plan(loop(2))
    assert {folder: names for folder, names in whole_plan(ablate).items() if folder in own and folder != "setup"} == {
        folder: names for folder, names in own.items() if folder != "setup"
    }


def test_every_arm_sits_the_exam_once_and_in_the_order_of_the_table(ablate: Pipeline) -> None:
    ending = next(node for node in ablate.nodes if node.name.endswith("report_arms"))
    told = [name.split(".")[1] for name in ending.inputs if name.startswith("ablation.")]
    assert told == list(ARMS)
    assert ablate.inputs() == loop(2).inputs()  # nothing else has to be there


def test_arms_lie_apart_from_the_loops_rounds(ablate: Pipeline) -> None:
    folders = {folder_of(node.namespace) for node in ablate.nodes if node.name.startswith("ablation.")}
    assert {f"ablation/{name}/02" for name in ("no_quads", "text_only", "experts_as_reward")} <= folders
    assert "ablation/one_round/01" in folders
    assert not any(folder.isdigit() for folder in folders)


def test_arms_come_after_the_loops_last_round(ablate: Pipeline) -> None:
    order = [folder_of(node.namespace) for node in round_by_round(ablate)]
    last_of_loop = max(place for place, folder in enumerate(order) if folder.isdigit())
    assert min(place for place, folder in enumerate(order) if folder.startswith("ablation/")) > last_of_loop


@pytest.mark.parametrize("rounds", [2, 6])
def test_the_self_labeller_draws_prompts_only_where_the_loop_has_none(rounds: int) -> None:
    pipeline = create_pipeline(rounds)
    names = arms_of(pipeline, "self_labelled")
    last = max(SELF_ROUNDS, rounds)
    assert sum(name.endswith("train_reward_model") for name in names) == last
    assert sum(name.endswith("draw_prompts") for name in names) == last - rounds
    assert sum(name.endswith("sit_exam") for name in names) == 1


def test_on_a_users_images_no_arm_reads_truth_or_draws_prompts_that_there_are_none_of() -> None:
    pipeline = create_pipeline(2, asking=True, own_images=True)
    ending = next(node for node in pipeline.nodes if node.name.endswith("report_arms"))
    told = [name.split(".")[1] for name in ending.inputs if name.startswith("ablation.")]
    assert told == list(ON_OWN_IMAGES)
    embedded_alone = {"experts_as_reward", "exact_labels", "evidence_at_scoring"}
    assert set(ARMS) - set(told) == embedded_alone | {
        "no_claim_questions",
        "critique_loss",
        "no_relation_edits",
        "not_by_claim",
    }
    assert not any(name.startswith("ablation.") and name.endswith("draw_prompts") for name in arms_of(pipeline, ""))
    trained = [name for name in arms_of(pipeline, "self_labelled") if name.endswith("train_reward_model")]
    assert len(trained) == 2
    assert pipeline.inputs() == loop(2, asking=True).inputs()


def test_arms_on_the_loops_pairs_select_nothing(ablate: Pipeline) -> None:
    for name, arm in ARMS.items():
        selects = any(step.endswith(("select_pairs", "label_pairs")) for step in arms_of(ablate, name))
        assert selects == arm.own_pairs, name


def test_no_arm_without_critiques_reads_one(ablate: Pipeline) -> None:
    for name, arm in ARMS.items():
        if arm.recipe is not None and not arm.recipe.critiques:
            read = [i for node in ablate.nodes if node.name in arms_of(ablate, name) for i in node.inputs]
            critiques = [one for one in read if one.endswith(".head_critiques") or one.startswith("critique_targets_")]
            assert not critiques, name
