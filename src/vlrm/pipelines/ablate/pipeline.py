"""The ablation as a table: the loop (finished stages are skipped), then every arm on what the loop made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from vlrm.ablation.arms import ARMS, ON_OWN_IMAGES, Arm
from vlrm.pipelines.ablate.nodes import (
    check_labels,
    criticise_rest,
    judge_by_experts,
    judge_by_length,
    judge_by_text,
    judge_by_verdicts,
    learn,
    learn_with_critiques,
    probe,
    read_with_evidence,
    report_arms,
    sit_not_by_claim,
    sit_plainly,
)
from vlrm.pipelines.ablate.selecting import (
    keep_at_once,
    keep_at_random,
    keep_by_truth,
    keep_single_pairs,
    keep_unedited,
    keep_whole_answers,
    label_itself,
    offer_by_truth,
)
from vlrm.pipelines.critique_generation.nodes import sample
from vlrm.pipelines.expert_annotation.nodes import draw_split
from vlrm.pipelines.expert_annotation.pipeline import SOURCE
from vlrm.pipelines.iterate.pipeline import create_pipeline as loop
from vlrm.pipelines.named import named

SELF_ROUNDS = 5
"""Rounds of the self-labelling arm: enough to see whether its errors grow."""
MODEL = ["params:policy", "params:seed", "params:data"]
TRAINING = ["params:policy", "params:reward", "params:seed", "params:data"]
SITTING = ["params:policy", "params:critiques", "params:seed", "params:data"]


@dataclass(frozen=True)
class _Plan:
    """Which arms there are, and in which rounds each works; ``own_images``: a user's, of unknown truth."""

    rounds: int
    own_images: bool

    @property
    def numbers(self) -> list[int]:
        """The loop's rounds."""
        return list(range(1, self.rounds + 1))

    @property
    def arms(self) -> Mapping[str, Arm]:
        return ON_OWN_IMAGES if self.own_images else ARMS

    def last(self, arm: str) -> int:
        """The round that an arm's reward model belongs to."""
        # A user's prompts are shared out among the loop's rounds, so that none is left for more.
        more = self.rounds if self.own_images else max(SELF_ROUNDS, self.rounds)
        return {"self_labelled": more, "one_round": 1}.get(arm, self.rounds)

    def rounds_of(self, arm: str) -> list[int]:
        return list(range(1, self.last(arm) + 1))


def create_pipeline(rounds: int, asking: bool = False, own_images: bool = False) -> Pipeline:
    """``asking``: as in the groundwork; ``own_images``: without the arms that need exact truth."""
    plan = _Plan(rounds, own_images)
    nodes = [*_selections(plan), *_self_labelled(plan), *_trainings(plan), *_judges(plan), *_ending(plan)]
    return loop(rounds, asking) + Pipeline(nodes)


def _of(arm: str, number: int, what: str) -> str:
    """The name of a dataset of one arm and round."""
    return f"ablation.{arm}.round_{number:02d}.{what}"


def _node(arm: str, number: int, function: object, inputs: list[str], outputs: str | list[str], name: str) -> Node:
    return node(function, inputs, outputs, name=name, namespace=f"ablation.{arm}.round_{number:02d}")  # type: ignore[arg-type]


def _selections(plan: _Plan) -> list[Node]:
    """The arms that choose other pairs from what each round of the loop offered."""
    nodes, numbers = [], plan.numbers
    for n in numbers:
        here = f"round_{n:02d}"
        loop_kept = [f"{here}.pairs_judged", f"pairs_{n:02d}"]
        nodes += [
            _node("no_margin_rule", n, keep_at_random,
                  [f"{here}.pairs_offered", *loop_kept, "params:rule", "params:seed"],
                  _of("no_margin_rule", n, "pairs"), "select_pairs"),
            _node("no_quads", n, keep_single_pairs,
                  [f"{here}.pairs_offered", *loop_kept, f"{here}.prompts", "rule_calibration", "params:rule",
                   "params:seed"],
                  _of("no_quads", n, "pairs"), "select_pairs"),
        ]  # fmt: skip
        less = {"no_claim_questions": keep_whole_answers, "no_relation_edits": keep_unedited}
        nodes += [
            _node(name, n, keep,
                  [f"{here}.pairs_offered", *loop_kept, "rule_calibration", "params:rule", "params:seed"],
                  _of(name, n, "pairs"), "select_pairs")
            for name, keep in less.items() if name in plan.arms
        ]  # fmt: skip
        if "exact_labels" in plan.arms:
            nodes += [
                _node("exact_labels", n, offer_by_truth,
                      [f"{here}.{what}" for what in ("pairs_offered", "candidates", "candidate_claims", "edits",
                                                     "edit_claims", "prompts", "quad_prompts", "scenes",
                                                     "quad_scenes")],
                      _of("exact_labels", n, "pairs_offered"), "offer_pairs"),
                _node("exact_labels", n, keep_by_truth,
                      [_of("exact_labels", n, "pairs_offered"), *loop_kept, "params:rule", "params:seed"],
                      _of("exact_labels", n, "pairs"), "select_pairs"),
            ]  # fmt: skip
    everything = [f"round_{n:02d}.pairs_offered" for n in numbers] + [f"pairs_{n:02d}" for n in numbers]
    at_once = ["reward_model_00", "rule_calibration", "params:rule", *MODEL, *everything]
    return [*nodes, _node("one_round", 1, keep_at_once, at_once, _of("one_round", 1, "pairs"), "select_pairs")]


def _self_labelled(plan: _Plan) -> list[Node]:
    """Rounds without experts: the loop's prompts and candidates as long as there are any, then fresh ones."""
    arm, rounds, nodes = "self_labelled", plan.rounds, []
    for n in plan.rounds_of(arm):
        source = f"round_{n:02d}" if n <= rounds else f"ablation.{arm}.round_{n:02d}"
        if n > rounds:
            drawn = [f"{source}.{what}" for what in ("prompts", "scenes")]
            nodes += [
                _node(arm, n, draw_split(f"round {n}"), SOURCE, drawn, "draw_prompts"),
                _node(arm, n, sample, [f"{source}.prompts", *MODEL], f"{source}.candidates", "sample_candidates"),
            ]
        before = "reward_model_00" if n == 1 else _of(arm, n - 1, "reward_model")
        nodes += [
            _node(arm, n, label_itself,
                  [f"{source}.candidates", f"{source}.prompts", before, "params:rule", *MODEL,
                   *([f"pairs_{n:02d}"] if n <= rounds else [])],
                  _of(arm, n, "pairs"), "label_pairs"),
            _node(arm, n, named(learn, arm=arm),
                  ["reward_model_00", *TRAINING, *(_of(arm, r, "pairs") for r in range(1, n + 1))],
                  _of(arm, n, "reward_model"), "train_reward_model"),
        ]  # fmt: skip
    return nodes


def _trainings(plan: _Plan) -> list[Node]:
    """One reward model an arm, on its own pairs or on the loop's; every trained arm sits the exam."""
    rounds, nodes = plan.rounds, []
    targets = [f"critique_targets_{n:02d}" for n in plan.numbers]
    for name, arm in plan.arms.items():
        if arm.recipe is None:
            continue
        last, model = plan.last(name), _of(name, plan.last(name), "reward_model")
        own = [_of(name, n, "pairs") for n in plan.rounds_of(name)]
        pairs = own if arm.own_pairs else [f"pairs_{n:02d}" for n in plan.numbers]
        critiques = f"round_{rounds:02d}.head_critiques"
        if arm.recipe.critiques and arm.own_pairs:
            rest = _of(name, last, "head_critiques")
            inputs = [critiques, f"critic_{rounds:02d}", *SITTING, *pairs]
            nodes.append(_node(name, last, criticise_rest, inputs, rest, "sample_on_policy_critiques"))
            critiques = rest
        if arm.recipe.critiques:
            function = named(learn_with_critiques, arm=name, rounds=rounds)
            inputs = ["reward_model_00", critiques, *TRAINING, *pairs, *targets]
            nodes.append(_node(name, last, function, inputs, model, "train_reward_model"))
        elif name != "self_labelled":
            inputs = ["reward_model_00", *TRAINING, *pairs]
            nodes.append(_node(name, last, named(learn, arm=name), inputs, model, "train_reward_model"))
        nodes.append(_node(name, last, sit_plainly, ["exam", model, *MODEL], _of(name, last, "scores"), "sit_exam"))
    return nodes


def _judges(plan: _Plan) -> list[Node]:
    """The arms that train no reward model."""
    rounds = plan.rounds
    scores = f"round_{rounds:02d}.scores"
    pairs = [f"pairs_{n:02d}" for n in plan.numbers]
    judges = {
        "not_by_claim": (sit_not_by_claim, ["exam", f"reward_model_{rounds:02d}", *MODEL]),
        "linear_probe": (probe, ["exam", "reward_model_00", "params:policy", "params:data", *pairs]),
        "text_classifier": (judge_by_text, ["exam", scores, "params:seed"]),
        "length_only": (judge_by_length, ["exam", scores]),
        "majority_verdict": (judge_by_verdicts, ["exam", scores]),
        "experts_as_reward": (judge_by_experts, ["exam", "round_00.exam_evidence", "reliability"]),
        "evidence_at_scoring": (
            read_with_evidence,
            ["exam", "round_00.exam_evidence", f"reward_model_{rounds:02d}", f"critic_{rounds:02d}", *SITTING],
        ),
    }
    return [
        _node(arm, rounds, function, inputs, _of(arm, rounds, "scores"), "judge_exam")
        for arm, (function, inputs) in judges.items()
        if arm in plan.arms
    ]


def _ending(plan: _Plan) -> list[Node]:
    rounds = plan.rounds
    kept = {("full", n): f"pairs_{n:02d}" for n in plan.numbers}
    for name, arm in plan.arms.items():
        if arm.own_pairs:
            kept |= {(name, n): _of(name, n, "pairs") for n in plan.rounds_of(name)}
    truth = [f"round_{n:02d}.{what}" for n in plan.numbers for what in ("scenes", "quad_scenes")]
    truth += [_of("self_labelled", n, "scenes") for n in plan.rounds_of("self_labelled") if n > rounds]
    told = [_of(name, plan.last(name), "scores") for name in plan.arms]
    return [
        node(named(check_labels, kept=list(kept)), [*kept.values(), *truth], "ablation_labels",
             name="check_labels", namespace="ablation"),
        node(named(report_arms, rounds=rounds, arms=list(plan.arms)),
             ["exam", "round_00.scores", f"round_{rounds:02d}.scores", "ablation_labels", "params:seed", *told],
             ["ablation_report", "ablation_summary"], name="report_arms", namespace="ablation"),
    ]  # fmt: skip
