"""Best-of-N with the newest reward model: what choosing by reward does to false claims and to true ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.evaluation.best_of_n import best_of_n
from vlrm.evaluation.judged import evidence_counts, truth_counts
from vlrm.experts.config import ExpertConfig
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import BestOf, Policy
from vlrm.pipelines.writers import open_writer
from vlrm.policy.candidates import sample_candidates
from vlrm.progress import say
from vlrm.prompts import scenes_by_image


def choose_best(
    prompts: pa.Table, scenes: pa.Table, reward_model: Path, policy: Policy, settings: BestOf, seed: int, data: str
) -> dict[str, Any]:
    """The curve over N on report prompts with exact truth, by the plain reward; empty where no truth is known."""
    counted = judged_candidates(prompts, scenes, reward_model, policy, settings, seed, data)
    return {"points": [] if counted is None else [point.model_dump() for point in best_of_n(counted)]}


def choose_best_by_evidence(
    prompts: pa.Table, reward_model: Path, reliability: dict[str, Any], experts: list[ExpertConfig], policy: Policy,
    settings: BestOf, seed: int, data: str,
) -> dict[str, Any]:  # fmt: skip
    """The curve over N on report prompts that ask for a description, claims counted as the evidence judges them."""
    from vlrm.pipelines.critique_generation.nodes import verify
    from vlrm.pipelines.expert_annotation.nodes import annotate

    asked = prompts.filter(pc.equal(prompts["kind"], "description")).slice(0, settings.prompts)
    if asked.num_rows == 0:
        return {"points": []}
    said, rewards = _scored(asked, reward_model, policy, settings, seed, data)
    claims = verify(said, asked, annotate(asked, experts, data), reliability)
    counted = evidence_counts(said, claims).join(rewards, on="response_id")
    return {"points": [point.model_dump() for point in best_of_n(counted)]}


def judged_candidates(
    prompts: pa.Table, scenes: pa.Table, reward_model: Path, policy: Policy, settings: BestOf, seed: int, data: str
) -> pl.DataFrame | None:
    """Candidates of the report prompts with plain rewards and counts of false and true claims; None without truth."""
    known = scenes_by_image(scenes)
    asked = prompts.filter([sha in known for sha in prompts["image_sha256"].to_pylist()]).slice(0, settings.prompts)
    if asked.num_rows == 0:
        return None
    said, scored = _scored(asked, reward_model, policy, settings, seed, data)
    return truth_counts(asked, known, said).join(scored, on="response_id")


def _scored(
    asked: pa.Table, reward_model: Path, policy: Policy, settings: BestOf, seed: int, data: str
) -> tuple[pa.Table, pl.DataFrame]:
    """N candidates of each prompt, and the plain reward of each by its id."""
    from vlrm.reward.model import RewardModel, Row
    from vlrm.reward.scoring import score

    vlm = open_vlm(policy, data)
    # Every draw counts: N answers are what N draws give, repetitions included.
    writer = open_writer(policy, data, vlm)
    said = sample_candidates(writer, asked, settings.candidates, policy.sampling, seed, examples=policy.examples)
    questions = dict(zip(asked["prompt_id"].to_pylist(), asked["question"].to_pylist(), strict=True))
    rows = [Row(r["image_sha256"], questions[r["prompt_id"]], r["text"]) for r in said.to_pylist()]
    rewards = score(RewardModel.load(reward_model, vlm), rows)
    say(f"{len(rows)} candidates scored")
    return said, pl.DataFrame({"response_id": said["response_id"].to_pylist(), "reward": rewards})
