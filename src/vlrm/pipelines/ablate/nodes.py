"""Nodes of the ablation: an arm's own pairs, its reward model, its exam, and the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.ablation.arms import ARMS
from vlrm.ablation.compare import Ablations, compare, measure
from vlrm.ablation.judges import expert_scores, length_scores, scores_of, text_scores, verdict_scores
from vlrm.ablation.labels import LABELS, claims_by_truth, label_rounds, label_rows, pairs_of_arms
from vlrm.ablation.page import render_ablations
from vlrm.ablation.probe import fit_probe, hidden_states
from vlrm.ablation.selection import at_random, by_rule, margins_of, self_labelled, without_quads
from vlrm.answers.words import words_known
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import verify_responses
from vlrm.critiques.sampling import sample_critiques
from vlrm.critiques.templates import choose
from vlrm.errors import UserError
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.labeller import exam_responses
from vlrm.evaluation.naming import judged_by_evidence
from vlrm.evaluation.outcomes import frame_of
from vlrm.evaluation.sit import score_table, sit
from vlrm.pipelines.evaluation.nodes import split_of
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.rm_training.nodes import critic_examples, criticised
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import row_seed
from vlrm.progress import say
from vlrm.prompts import scenes_by_image
from vlrm.rejection_sampling.offer import offer_pairs
from vlrm.rejection_sampling.rule import Rule
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.rows import critique_texts, training_pairs
from vlrm.reward.scoring import PAIR_TEXTS, pair_margins
from vlrm.reward.train import RewardTraining, StepLog, train_reward_model
from vlrm.schema import CLAIMS

SIDES = ("chosen", "rejected")
CERTAIN = 0.5
"""tau where labels are exact: q+ is then 0 or 1."""


def _margins(reward_model: Path, pairs: pa.Table, policy: Policy, data: str) -> dict[str, float]:
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    return pair_margins(model, pairs.select(PAIR_TEXTS).to_pylist())


# --- which pairs ------------------------------------------------------------------------------------


def keep_at_random(offered: pa.Table, judged: pa.Table, kept: pa.Table, rule: Rule, seed: int) -> pa.Table:
    """As many random pairs as the loop kept in this round."""
    return at_random(offered, rule, margins_of(offered, judged), kept.num_rows, seed)


def keep_single_pairs(
    offered: pa.Table,
    judged: pa.Table,
    kept: pa.Table,
    prompts: pa.Table,
    tau: dict[str, Any],
    rule: Rule,
    seed: int,
) -> pa.Table:
    """As many pairs as the loop kept in this round, none of them half of a quad."""
    single = without_quads(offered, prompts)
    return by_rule(single, rule, float(tau["tau"]), margins_of(single, judged), kept.num_rows, seed)


def keep_at_once(
    round_zero: Path, tau: dict[str, Any], rule: Rule, policy: Policy, seed: int, data: str, *tables: pa.Table
) -> pa.Table:
    """All rounds' budget spent at once by round 0's model; ``tables``: offered pairs of all rounds, then kept ones."""
    half = len(tables) // 2
    offered, budget = pa.concat_tables(tables[:half]), sum(table.num_rows for table in tables[half:])
    rewards = _margins(round_zero, offered, policy, data)
    return by_rule(offered, rule, float(tau["tau"]), rewards, budget, seed)


def offer_by_truth(
    candidates: pa.Table,
    candidate_claims: pa.Table,
    edits: pa.Table,
    edit_claims: pa.Table,
    prompts: pa.Table,
    quad_prompts: pa.Table,
    scenes: pa.Table,
    quad_scenes: pa.Table,
) -> pa.Table:
    """The pairs a round offers as experts that are always right would see them."""
    known = scenes_by_image(scenes, quad_scenes)
    claims = claims_by_truth(pa.concat_tables([candidate_claims, edit_claims]), known)
    return offer_pairs(pa.concat_tables([candidates, edits]), claims, pa.concat_tables([prompts, quad_prompts]))


def keep_by_truth(offered: pa.Table, judged: pa.Table, kept: pa.Table, rule: Rule, seed: int) -> pa.Table:
    """As many pairs as the loop kept in this round, chosen by the same rule from exact labels."""
    return by_rule(offered, rule, CERTAIN, margins_of(offered, judged), kept.num_rows, seed)


def label_itself(
    candidates: pa.Table,
    prompts: pa.Table,
    reward_model: Path,
    rule: Rule,
    policy: Policy,
    seed: int,
    data: str,
    *kept: pa.Table,
) -> pa.Table:
    """Pairs of candidates as the model of the round before orders them; ``kept``: the loop's pairs of this round.

    Without experts nothing is known to be false, so there are no counterfactuals and no quads.
    """
    offered = offer_pairs(candidates, pa.Table.from_pylist([], CLAIMS), prompts)
    rewards = _margins(reward_model, offered, policy, data)
    return self_labelled(offered, rule, rewards, kept[0].num_rows if kept else rule.budget, seed)


# --- training ---------------------------------------------------------------------------------------


def criticise_rest(
    head_critiques: pa.Table, critic: Path, policy: Policy, critiques: Critiques, seed: int, data: str, *pairs: pa.Table
) -> pa.Table:
    """On-policy critiques of every response in ``pairs``: the loop's where it has them, else fresh ones."""
    wanted = {row["response_id"]: row for row in criticised(pairs, critiques.on_policy_share)}
    known = head_critiques.filter(pc.is_in(head_critiques["response_id"], pa.array(sorted(wanted), pa.string())))
    rest = [wanted[name] for name in wanted.keys() - set(known["response_id"].to_pylist())]
    rest.sort(key=lambda row: row["response_id"])
    vlm = open_vlm(policy, data)
    load_critic(vlm, critic)
    writer, template = LocalWriter(vlm), choose(critiques.template, vlm.model.config)
    fresh = sample_critiques(writer, rest, critiques.on_policy, critiques.sampling, seed, template)
    return pa.concat_tables([known, fresh])


def learn(
    round_zero: Path, policy: Policy, training: RewardTraining, seed: int, data: str, *pairs: pa.Table, arm: str
) -> RewardModel:
    """An arm's reward model from round 0, without critiques."""
    return _learn(arm, round_zero, policy, training, seed, data, pairs, {}, ())


def learn_with_critiques(
    round_zero: Path,
    head_critiques: pa.Table,
    policy: Policy,
    training: RewardTraining,
    seed: int,
    data: str,
    *tables: pa.Table,
    arm: str,
    rounds: int,
) -> RewardModel:
    """An arm's reward model from round 0; ``tables``: its pairs, then the critiques accepted in each of the rounds."""
    pairs, targets = tables[:-rounds], tables[-rounds:]
    said = critique_texts(head_critiques)
    return _learn(arm, round_zero, policy, training, seed, data, pairs, said, targets)


def _learn(
    arm: str, round_zero: Path, policy: Policy, training: RewardTraining, seed: int, data: str,
    pairs: tuple[pa.Table, ...], critiques: dict[str, list[str]], targets: tuple[pa.Table, ...],
) -> RewardModel:  # fmt: skip
    recipe = ARMS[arm].recipe
    known = training_pairs(pa.concat_tables(pairs))
    if recipe is None or not known:
        raise UserError(
            f"the ablation '{arm}' kept no pair, so there is nothing to train on: loosen rule.alpha, or bring more "
            "prompts (world.prompts_per_round)."
        )
    model = RewardModel.load(round_zero, open_vlm(policy, data))
    recipe.narrow(model)

    def progress(log: StepLog) -> None:
        say(f"reward step {log.step} of {log.total}, loss {log.loss:.3f}, accuracy {log.accuracy:.2f}")

    examples, settings = critic_examples(targets), recipe.settings(training)
    train_reward_model(model, known, critiques, examples, settings, row_seed("reward", seed, len(known)), progress)
    return model


# --- the exam ---------------------------------------------------------------------------------------


def sit_plainly(exam: pa.Table, reward_model: Path, policy: Policy, seed: int, data: str) -> pa.Table:
    """SCORES of the plain reading on both splits, and of the report's pairs with the image blank."""
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    rows = []
    for view, items in _views(exam):
        rows += sit(model, None, items, view, 0, seed, say)
    return score_table(rows)


def _views(exam: pa.Table) -> list[tuple[str, list[dict[str, Any]]]]:
    items = exam.to_pylist()
    blind = [item for item in items if item["split"] == "report" and item["group_id"] in (None, item["item_id"])]
    return [("image", items), ("blank", blind)]


def probe(exam: pa.Table, round_zero: Path, policy: Policy, data: str, *pairs: pa.Table) -> pa.Table:
    """SCORES of a linear probe of round 0's hidden states, fitted on the pairs the loop kept."""
    model = RewardModel.load(round_zero, open_vlm(policy, data))

    def states(items: list[dict[str, Any]], blank: bool = False) -> np.ndarray:
        prefix = "blank:" if blank else ""
        rows = [Row(prefix + item["image_sha256"], item["question"], item[side]) for item in items for side in SIDES]
        return hidden_states(model, rows).reshape(len(items), 2, -1)

    known = pa.concat_tables(pairs)
    views = [(view, items, states(items, view == "blank")) for view, items in _views(exam)]
    on_gate = np.array([item["split"] == "gate" for item in views[0][1]])
    training, gate = states(known.to_pylist()), views[0][2][on_gate]
    fitted = fit_probe(training[:, 0] - training[:, 1], known["weight"].to_numpy(), gate[:, 0] - gate[:, 1])
    tables = []
    for view, items, seen in views:
        chosen, rejected = fitted.rewards(seen).T
        tables.append(scores_of([item["item_id"] for item in items], chosen, rejected, view))
    return pa.concat_tables(tables)


def judge_by_experts(exam: pa.Table, evidence: pa.Table, reliability: dict[str, Any]) -> pa.Table:
    """SCORES of groundedness, the experts looking at the exam's own images."""
    responses, prompts = exam_responses(exam)
    known = Reliability.from_json(reliability)
    claims = verify_responses(responses, prompts, evidence, known, words_known(reliability))
    return expert_scores(exam, claims)


def judge_by_length(exam: pa.Table, scores: pa.Table) -> pa.Table:
    return length_scores(split_of(exam, scores, "report"), split_of(exam, scores, "gate"))


def judge_by_text(exam: pa.Table, scores: pa.Table, seed: int) -> pa.Table:
    return text_scores(split_of(exam, scores, "report"), seed)


def judge_by_verdicts(exam: pa.Table, scores: pa.Table) -> pa.Table:
    return verdict_scores(split_of(exam, scores, "report"))


# --- the comparison -----------------------------------------------------------------------------------


def check_labels(*tables: pa.Table, kept: list[tuple[str, int]]) -> pa.Table:
    """LABELS of the pairs of each (arm, round) in ``kept``; ``tables``: those pairs, then the rounds' exact truth."""
    scenes = scenes_by_image(*tables[len(kept) :])
    found = [label_rows(pairs, scenes, *name) for name, pairs in zip(kept, tables, strict=False)]
    return pa.concat_tables(found).cast(LABELS)


def report_arms(
    exam: pa.Table, zero: pa.Table, full: pa.Table, labels: pa.Table, seed: int, *scores: pa.Table, rounds: int,
    arms: list[str],
) -> tuple[str, Ablations]:  # fmt: skip
    """The HTML report and ablations.json; ``scores``: of every one of ``arms``."""
    ours = split_of(exam, full, "report")
    theirs = {name: split_of(exam, table, "report") for name, table in zip(arms, scores, strict=True)}
    measured = measure(split_of(exam, zero, "report"), ours, theirs, baseline_figures(ours, seed=seed)[1])
    checked = label_rounds([frame_of(labels)])
    found = compare(
        [measured], rounds=rounds, pairs=pairs_of_arms(checked), labels=checked,
        by_evidence=judged_by_evidence(ours.exam), seed=seed,
    )  # fmt: skip
    return render_ablations(found), found
