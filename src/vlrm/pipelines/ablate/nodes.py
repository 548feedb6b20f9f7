"""Nodes of the ablation: an arm's reward model, its exam, and the comparison. Its own pairs: ``selecting``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.ablation.arms import ARMS
from vlrm.ablation.compare import Ablations, compare, measure
from vlrm.ablation.judges import expert_scores, length_scores, scores_of, text_scores, verdict_scores
from vlrm.ablation.labels import LABELS, label_rounds, label_rows, pairs_of_arms
from vlrm.ablation.page import render_ablations
from vlrm.ablation.probe import fit_probe, hidden_states
from vlrm.answers.words import words_known
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import objects_by_image, verify_responses
from vlrm.critiques.grammar import without_references, without_verdict
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
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel, Row
from vlrm.reward.rows import critique_texts, training_pairs
from vlrm.reward.scoring import score
from vlrm.reward.train import RewardTraining, StepLog, train_reward_model

SIDES = ("chosen", "rejected")


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
    return _sit(RewardModel.load(reward_model, open_vlm(policy, data)), exam, seed)


def sit_not_by_claim(exam: pa.Table, reward_model: Path, policy: Policy, seed: int, data: str) -> pa.Table:
    """:func:`sit_plainly` of a model that asks nothing about what a response names."""
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    model.config = model.config.model_copy(update={"by_claim": 0.0})
    return _sit(model, exam, seed)


def _sit(model: RewardModel, exam: pa.Table, seed: int) -> pa.Table:
    rows = []
    for view, items in _views(exam):
        rows += sit(model, None, items, view, 0, seed, say)
    return score_table(rows)


def _views(exam: pa.Table) -> list[tuple[str, list[dict[str, Any]]]]:
    return [("image", exam.to_pylist()), ("blank", _report_pairs(exam))]


def _report_pairs(exam: pa.Table) -> list[dict[str, Any]]:
    """The report split without the other wordings of its groups."""
    return [row for row in exam.to_pylist() if row["split"] == "report" and row["group_id"] in (None, row["item_id"])]


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


def read_with_evidence(
    exam: pa.Table,
    evidence: pa.Table,
    reward_model: Path,
    critic: Path,
    policy: Policy,
    critiques: Critiques,
    seed: int,
    data: str,
) -> pa.Table:
    """SCORES of a reward model that reads critiques written with the experts' evidence, the mean over them."""
    items = _report_pairs(exam)
    asked = [
        {"response_id": f"{item['item_id']}/{side}", "image_sha256": item["image_sha256"],
         "question": item["question"], "text": item[side]}
        for item in items
        for side in SIDES
    ]  # fmt: skip
    vlm = open_vlm(policy, data)
    load_critic(vlm, critic)
    template = choose(critiques.template, vlm.model.config)
    seen = objects_by_image(evidence)
    said = sample_critiques(
        LocalWriter(vlm), asked, critiques.exam_samples, critiques.sampling, seed, template, seen
    ).to_pylist()
    of = {row["response_id"]: row for row in asked}
    rows = [
        Row(row["image_sha256"], of[row["response_id"]]["question"], of[row["response_id"]]["text"],
            without_verdict(without_references(row["text"])))
        for row in said
    ]  # fmt: skip
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    chosen, rejected = np.mean(np.reshape(score(model, rows), (len(items), 2, critiques.exam_samples)), axis=2).T
    return scores_of([item["item_id"] for item in items], chosen, rejected)


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
