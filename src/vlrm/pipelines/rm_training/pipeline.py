"""Stage 4 of a round: critic, on-policy critiques, reward model, on all pairs kept so far."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from vlrm.pipelines.rm_training.nodes import criticise_on_policy, learn_to_criticise, learn_with_exam


def create_pipeline(number: int) -> Pipeline:
    """What round ``number`` learns from: the pairs and critiques of all rounds up to it."""
    rounds = range(1, number + 1)
    pairs = [f"pairs_{r:02d}" for r in rounds]
    targets = [f"critique_targets_{r:02d}" for r in rounds]
    common = ["params:policy", "params:critiques", "params:seed", "params:data"]
    return Pipeline(
        [
            node(
                learn_to_criticise,
                ["params:policy", "params:critic", "params:reward", "params:seed", "params:data", *targets],
                f"critic_{number:02d}",
                name="train_critic",
            ),
            node(
                criticise_on_policy,
                [f"critic_{number:02d}", *common, *pairs],
                "head_critiques",
                name="sample_on_policy_critiques",
            ),
            node(
                learn_with_exam,
                ["reward_model_00", "head_critiques", "exam", "params:policy", "params:reward", "params:seed",
                 "params:data", *pairs, *targets],
                [f"reward_model_{number:02d}", "summary_training"],
                name="train_reward_model",
            ),
        ],
        namespace="rm_training",
        prefix_datasets_with_namespace=False,
    )  # fmt: skip
